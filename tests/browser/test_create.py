"""Music from the page, as a musician makes it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.browser.looking import until
from tests.server.server_process import ServerProcess

pytestmark = pytest.mark.browser
Opened = Callable[..., Any]
LONG_ENOUGH = 300_000
"""Milliseconds that a piece of a few seconds may take, on a busy machine."""


def ask(page: Any, words: str, seconds: int = 2) -> None:
    """Ask for a piece; its card is then the first."""
    page.get_by_label("Describe the music").fill(words)
    if seconds == 2:
        page.get_by_label(re.compile("^(Total l|L)ength$")).press("Home")
    create(page)
    page.locator("#results article").first.get_by_role("heading", name=words).wait_for()


def create(page: Any) -> None:
    page.get_by_role("button", name="Create", exact=True).click()


def newest(page: Any) -> Any:
    return page.locator("#results article").first


def until_made(page: Any) -> Any:
    page.locator("#results article:first-of-type[data-status=succeeded]").first.wait_for(
        timeout=LONG_ENOUGH
    )
    return newest(page)


def item(server: ServerProcess) -> dict[str, Any]:
    """What was asked for last, as the server has it."""
    found: dict[str, Any] = server.client.get("/v1/library?limit=1").json()["results"][0]
    return found


def a_tune(path: Path) -> Path:
    rate = 16_000
    t = np.arange(3 * rate) / rate
    pitch = np.repeat([262.0, 330.0, 392.0, 523.0, 392.0, 330.0], rate // 2)
    samples = (12_000 * np.sin(2 * np.pi * np.cumsum(pitch) / rate) * (1 - t / 4)).astype("<i2")
    soundfile.write(path, samples, rate)
    return path


def test_words_become_music_that_can_be_played(opened: Opened) -> None:
    page = opened()
    ask(page, "warm felt piano, slow")
    card = until_made(page)
    card.get_by_role("button", name=re.compile("^Play warm felt")).click()
    until(page, "document.querySelector('#results [role=slider]').ariaValueNow > 0.1")
    card.get_by_role("button", name="Show the spectrogram").click()
    card.locator("canvas[aria-label^=Spectrogram]").wait_for()
    card.get_by_text("Analysing").wait_for(state="detached")
    with page.expect_download() as download:
        card.get_by_role("link", name="mp3").click()
    assert download.value.suggested_filename == "warm felt piano, slow.mp3"
    assert Path(download.value.path()).stat().st_size > 1000


def test_a_piece_is_continued(opened: Opened, server: ServerProcess) -> None:
    page = opened()
    ask(page, "swing jazz, saxophone")
    until_made(page)
    newest(page).get_by_role("button", name="Continue from here").click()
    page.get_by_role("button", name="Remove the recording").wait_for()
    assert page.get_by_role("radio", name="Continue it").is_checked()
    page.get_by_text(re.compile(r"2\.0 s of your recording, then")).wait_for()
    slider = page.get_by_label(re.compile("Total length"))
    slider.press("Home")
    slider.press("ArrowRight")
    create(page)
    until(page, "document.querySelectorAll('#results h3')[1]?.textContent.startsWith('swing')")
    until_made(page)
    made = item(server)
    assert made["input"]["continuation"] is True
    assert made["outputs"][0]["seconds"] == pytest.approx(3, abs=0.1)


def test_a_tune_is_followed(opened: Opened, server: ServerProcess, tmp_path: Path) -> None:
    page = opened()
    page.locator(".source input[type=file]").set_input_files(a_tune(tmp_path / "hum.wav"))
    page.get_by_text("hum.wav").wait_for()
    page.get_by_role("radio", name="Follow its melody").check()
    ask(page, "synth-pop, synth lead")
    until_made(page)
    made = item(server)
    assert "continuation" not in made["input"]
    assert made["input"]["input_audio"].startswith("http")


def test_what_takes_too_long_is_cancelled(opened: Opened, server: ServerProcess) -> None:
    page = opened()
    page.get_by_label(re.compile("^(Total l|L)ength$")).press("End")
    ask(page, "endless ambient pad", seconds=180)
    newest(page).get_by_text(re.compile(r"of 180 seconds")).wait_for(timeout=LONG_ENOUGH)
    newest(page).get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled before it was finished.").wait_for()
    server.until_status(item(server)["id"], "canceled")


def test_a_reload_loses_neither_the_form_nor_what_is_made(
    opened: Opened, server: ServerProcess
) -> None:
    page = opened()
    page.get_by_label(re.compile("^(Total l|L)ength$")).press("End")
    ask(page, "a long road, slide guitar", seconds=180)
    newest(page).get_by_text(re.compile(r"of 180 seconds")).wait_for(timeout=LONG_ENOUGH)
    page.reload()
    newest(page).get_by_text(re.compile(r"of 180 seconds")).wait_for(timeout=LONG_ENOUGH)
    assert page.get_by_label("Describe the music").input_value() == "a long road, slide guitar"
    page.goto(f"{server.url}/#/library")
    row = page.locator(".library-row").first
    row.get_by_text("In progress").wait_for()
    row.get_by_role("button", name="Cancel a long road").click()
    row.get_by_text("Cancelled").wait_for()


@pytest.mark.parametrize("content", [b"C E G", b"ID3\x04" + bytes(9000)], ids=["text", "corrupt"])
def test_what_is_no_audio_is_refused_at_once(
    opened: Opened, server: ServerProcess, tmp_path: Path, content: bytes
) -> None:
    page = opened()
    page.watch.expect("status of 400")
    (tmp_path / "notes.mp3").write_bytes(content)
    before = server.client.get("/v1/files").json()["results"]
    page.locator(".source input[type=file]").set_input_files(tmp_path / "notes.mp3")
    page.get_by_text(re.compile("notes.mp3. can.t be read as audio")).wait_for()
    assert page.get_by_role("button", name="Remove the recording").count() == 0
    # It stays nowhere.
    server.until(lambda: server.client.get("/v1/files").json()["results"] == before)


def test_the_keyboard_is_enough(opened: Opened) -> None:
    page = opened()
    page.get_by_label("Describe the music").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skips the navigation
    page.keyboard.press("Tab")
    page.keyboard.type("bright marimba")
    page.get_by_label(re.compile("^(Total l|L)ength$")).focus()
    page.keyboard.press("Home")
    page.get_by_label("Describe the music").focus()
    page.keyboard.press("Control+Enter")
    newest(page).get_by_role("heading", name="bright marimba").wait_for()
    until_made(page)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Play bright marimba":
            break
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Pause bright marimba").wait_for()
