"""Cards of what was made: heard, looked at, compared, and gone on from."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import LONG_TIMERS
from tests.browser.looking import DESKTOP, PHONE, faults, too_wide, until
from tests.server.server_process import ServerProcess

pytestmark = pytest.mark.browser
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def made(server: ServerProcess) -> Iterator[list[str]]:
    """Two pieces that the library has, the newer one of two takes."""
    ids = []
    for prompt, count in (("calm ambient card", 1), ("bright march card", 2)):
        body = {
            "version": "songloom/nano",
            "input": {"prompt": prompt, "duration": 2, "count": count, "seed": 3},
        }
        id = server.client.post("/v1/predictions", json=body).json()["id"]
        server.until_status(id, "succeeded")
        ids.append(id)
    yield ids
    for id in ids:
        server.client.delete(f"/v1/library/{id}")


@pytest.fixture
def page(opened: Opened, made: list[str]) -> Any:
    return opened(script=LONG_TIMERS, **DESKTOP)


def card(page: Any, name: str) -> Any:
    return page.get_by_role("article", name=name)


def test_takes_are_heard_one_at_a_time(page: Any) -> None:
    march = card(page, "bright march card")
    march.get_by_role("button", name="Play bright march card, take 1").click()
    march.get_by_role("button", name="Pause bright march card, take 1").wait_for()
    march.get_by_role("button", name="Play bright march card, take 2").click()
    march.get_by_role("button", name="Pause bright march card, take 2").wait_for()
    march.get_by_role("button", name="Play bright march card, take 1").wait_for()


def test_positions_by_keyboard(page: Any) -> None:
    slider = card(page, "calm ambient card").get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "0:02 of 0:02"
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuenow") == "0"
    page.keyboard.press(" ")
    card(page, "calm ambient card").get_by_role("button", name=re.compile("^Pause")).wait_for()


def test_a_loop_and_a_spectrogram(page: Any) -> None:
    calm = card(page, "calm ambient card")
    loop = calm.get_by_role("button", name="Play in a loop")
    loop.click()
    assert loop.get_attribute("aria-pressed") == "true"
    calm.get_by_role("button", name="Show the spectrogram").click()
    picture = calm.get_by_role("img", name="Spectrogram of calm ambient card")
    picture.wait_for()
    calm.get_by_text("Analysing…").wait_for(state="hidden")
    colours = picture.evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, 480, 128).data).size"
    )
    assert colours > 20


def test_downloads_have_names(page: Any) -> None:
    calm = card(page, "calm ambient card")
    for format in ("wav", "mp3", "flac"):
        with page.expect_download() as download:
            calm.get_by_role("link", name=format, exact=True).click()
        assert download.value.suggested_filename.endswith(f".{format}")
        assert download.value.path().stat().st_size > 1000


def test_two_are_compared_at_one_position(page: Any) -> None:
    card(page, "calm ambient card").get_by_role("button", name="Compare A/B").click()
    bar = page.get_by_role("region", name="Compare A and B")
    bar.get_by_text("Now choose").wait_for()
    card(page, "bright march card").get_by_role("button", name="Compare A/B").first.click()
    bar.get_by_role("button", name="Play the comparison").click()
    bar.get_by_role("button", name="Pause the comparison").wait_for()
    bar.get_by_role("radio", name="B").check()
    bar.get_by_text("bright march card, take 1").wait_for()
    assert faults(page) == []
    assert too_wide(page) == []
    bar.get_by_role("button", name="End the comparison").click()
    bar.wait_for(state="hidden")


def test_a_piece_becomes_a_recording_to_start_from(page: Any) -> None:
    calm = card(page, "calm ambient card")
    calm.get_by_role("slider").focus()
    page.keyboard.press("Home")
    calm.get_by_role("button", name="Continue from here").click()
    page.get_by_role("radio", name="Continue it").wait_for()
    assert page.get_by_role("radio", name="Continue it").is_checked()
    assert page.get_by_label("Describe the music").input_value() == "calm ambient card"
    calm.get_by_role("button", name="Use as melody").click()
    assert page.get_by_role("radio", name="Follow its melody").is_checked()


def test_its_settings_are_used_again(page: Any) -> None:
    march = card(page, "bright march card")
    march.get_by_text("Seed and settings").click()
    march.get_by_role("button", name="Use these settings").click()
    assert page.get_by_label("Describe the music").input_value() == "bright march card"
    page.get_by_text("More settings").click()
    assert page.get_by_label("Seed", exact=True).input_value() == "3"
    assert page.get_by_label("How many takes?").input_value() == "2"


def test_again_means_another_seed(page: Any) -> None:
    page.route("**/v1/predictions", lambda route: route.abort())
    page.watch.expect("Failed to load resource", "request failed")
    with page.expect_request("**/v1/predictions") as asked:
        card(page, "calm ambient card").get_by_role("button", name="Make another version").click()
    body = json.loads(asked.value.post_data)
    assert body["input"] == {"prompt": "calm ambient card", "duration": 2, "count": 1}


def test_a_card_is_deleted_and_comes_back(page: Any) -> None:
    calm = card(page, "calm ambient card")
    calm.get_by_role("button", name="Delete calm ambient card").click()
    calm.wait_for(state="hidden")
    page.get_by_role("button", name="Undo").click()
    calm.wait_for()


def test_what_is_deleted_leaves_the_comparison_and_hands_on_the_focus(page: Any) -> None:
    calm, march = card(page, "calm ambient card"), card(page, "bright march card")
    march.get_by_role("button", name="Compare A/B").first.click()
    bar = page.get_by_role("region", name="Compare A and B")
    bar.get_by_text("bright march card, take 1").wait_for()
    march.get_by_role("button", name="Delete bright march card").press("Enter")
    march.wait_for(state="hidden")
    bar.wait_for(state="hidden")
    until(page, "document.activeElement.closest('article, h2') !== null")
    assert page.evaluate("document.activeElement.closest('#results') !== null")
    page.get_by_role("button", name="Undo").click()
    march.wait_for()
    assert calm.is_visible()


def test_another_tab_shows_what_is_new(opened: Opened, server: ServerProcess, page: Any) -> None:
    body = {"version": "songloom/nano", "input": {"prompt": "from elsewhere", "duration": 2}}
    id = server.client.post("/v1/predictions", json=body).json()["id"]
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    card(page, "from elsewhere").wait_for()
    server.until_status(id, "succeeded")
    card(page, "from elsewhere").get_by_role("button", name="Play from elsewhere").wait_for()
    server.client.delete(f"/v1/library/{id}")


@pytest.mark.parametrize("options", [DESKTOP, PHONE, {**DESKTOP, "color_scheme": "dark"}])
def test_cards_can_be_read_by_all(opened: Opened, made: list[str], options: Any) -> None:
    page = opened(**options)
    march = card(page, "bright march card")
    march.get_by_text("Seed and settings").click()
    march.get_by_role("button", name="Show the spectrogram").first.click()
    assert faults(page) == []
    assert too_wide(page) == []
