"""Sounds on the page: one at a time, from where one clicks, and never silent without a word."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import MILLISECONDS
from tests.browser.looking import DESKTOP, until
from tests.server.server_process import ServerProcess

pytestmark = pytest.mark.browser
SONG = Path(__file__).parents[2] / "examples/songs/01-brass-key.ogg"
Opened = Callable[..., Any]
WATCH_SOUNDS = """
window.sounds = new Set();
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  window.sounds.add(this);
  this.playbackRate = window.playbackRate ?? 1;
  return play.call(this);
};
window.audible = () => [...window.sounds].filter((sound) => !sound.paused && !sound.muted).length;
"""
"""Counts what can be heard, whichever part of the page plays it."""
SLIDER = "document.querySelector('[aria-label^=\"Position in first\"]')"
REFUSE = """
HTMLMediaElement.prototype.play = async () => {
  throw new DOMException('no', 'NotAllowedError');
};
"""
"""A browser that lets no page play."""


@pytest.fixture(scope="module")
def pieces(server: ServerProcess) -> Iterator[list[str]]:
    """Prompts of two pieces in the library, long enough to be still playing when looked at."""
    prompts = ["first harp turn", "second harp turn"]
    ids = []
    for prompt in prompts:
        body = {"version": "songloom/nano", "input": {"prompt": prompt, "duration": 6, "seed": 1}}
        ids.append(server.client.post("/v1/predictions", json=body).json()["id"])
        server.until_status(ids[-1], "succeeded")
    yield prompts
    for id in ids:
        server.client.delete(f"/v1/library/{id}")


def card(page: Any, name: str) -> Any:
    return page.get_by_role("article", name=name)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def listen_to_comparison(page: Any, pieces: list[str]) -> Any:
    for name in pieces:
        card(page, name).get_by_role("button", name="Compare A/B").click()
    press(page, "Play the comparison")
    until(page, "audible() === 1")
    return page.get_by_role("button", name="Play the comparison")


def test_a_card_silences_the_comparison_and_the_other_way(
    opened: Opened, pieces: list[str]
) -> None:
    page = opened(script=WATCH_SOUNDS, **DESKTOP)
    again = listen_to_comparison(page, pieces)
    press(page, f"Play {pieces[0]}")
    again.wait_for()
    until(page, "audible() === 1")
    again.click()
    page.get_by_role("button", name=f"Play {pieces[0]}", exact=True).wait_for()
    until(page, "audible() === 1")


def test_a_card_silences_the_trimmer_and_the_other_way(opened: Opened, pieces: list[str]) -> None:
    page = opened(script=WATCH_SOUNDS, **DESKTOP)
    page.locator(".source input[type=file]").set_input_files(SONG)
    page.get_by_role("spinbutton", name="To", exact=True).wait_for()
    press(page, "Play the selected part")
    until(page, "audible() === 1")
    press(page, f"Play {pieces[0]}")
    page.get_by_role("button", name="Play the selected part").wait_for()
    until(page, "audible() === 1")
    press(page, "Play the selected part")
    page.get_by_role("button", name=f"Play {pieces[0]}", exact=True).wait_for()
    until(page, "audible() === 1")


def test_live_listening_hides_nothing_and_ends_for_a_take(opened: Opened) -> None:
    page = opened(script=WATCH_SOUNDS, **DESKTOP)
    page.evaluate("window.playbackRate = 0.0625")  # it is finished long before it was heard
    page.get_by_label("Describe the music").fill("a live harp")
    page.get_by_role("button", name="Create", exact=True).click()
    live = card(page, "a live harp")
    live.get_by_role("button", name="Listen to a live harp while it is being made").click()
    live.get_by_role("button", name="Play a live harp", exact=True).wait_for(
        timeout=3 * MILLISECONDS
    )
    live.get_by_text("Finished. You are still listening live.").wait_for()
    assert live.get_by_role("link", name="wav", exact=True).is_visible()
    assert page.evaluate("audible()") == 1
    live.get_by_role("button", name="Play a live harp", exact=True).click()
    live.get_by_text("You are still listening live").wait_for(state="hidden")
    until(page, "audible() === 1")


def test_a_click_into_a_waveform_that_never_played_moves_the_clock(
    opened: Opened, pieces: list[str]
) -> None:
    page = opened(script=WATCH_SOUNDS, **DESKTOP)
    piece = card(page, pieces[0])
    piece.locator(".player-wave > div").wait_for()
    piece.locator(".player-wave").click()  # in its middle
    until(page, f"{SLIDER}.ariaValueNow > 2.5")
    piece.get_by_text(re.compile("^0:0[23] / 0:0[56]")).wait_for()
    slider = piece.get_by_role("slider")
    assert float(slider.get_attribute("aria-valuenow")) == pytest.approx(3, abs=0.2)
    press(page, f"Play {pieces[0]}")
    until(page, "[...sounds].some((sound) => sound.currentTime > 3.1)")
    assert slider.get_attribute("aria-valuetext").startswith("0:0")
    assert float(slider.get_attribute("aria-valuenow")) > 2.8


def test_a_sound_that_the_browser_blocks_is_no_silence(opened: Opened, pieces: list[str]) -> None:
    page = opened(script=REFUSE, **DESKTOP)
    toast = page.locator(".toast").filter(has_text=re.compile("browser blocked the sound"))

    def expect_words() -> None:
        toast.wait_for()
        assert toast.count() == 1
        toast.get_by_role("button", name="Dismiss").click()
        toast.wait_for(state="detached")

    press(page, f"Play {pieces[0]}")
    expect_words()
    for name in pieces:
        card(page, name).get_by_role("button", name="Compare A/B").click()
    press(page, "Play the comparison")
    expect_words()
    page.get_by_role("button", name="Play the comparison").wait_for()
    page.locator(".source input[type=file]").set_input_files(SONG)
    page.get_by_role("spinbutton", name="To", exact=True).wait_for()
    press(page, "Play the selected part")
    expect_words()


def test_a_sound_that_is_gone_is_no_silence(opened: Opened, pieces: list[str]) -> None:
    page = opened("#/settings", **DESKTOP)
    page.watch.expect("status of 404")
    page.route("**/output.wav*", lambda route: route.fulfill(status=404))
    page.goto(page.url.replace("settings", "create"))
    press(page, f"Play {pieces[0]}")
    toast = page.get_by_text(re.compile("This recording can.t be played. Reload the page"))
    toast.wait_for()
    assert toast.count() == 1
