"""The form of Create: made of what the server takes, and of what a person gives it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import watched_page
from tests.browser.looking import DESKTOP, PHONE, faults, too_wide
from tests.server.fakes import write_tone
from tests.server.server_process import ServerProcess, pretending

pytestmark = pytest.mark.browser
SONG = Path(__file__).parents[2] / "examples/songs/01-brass-key.ogg"
Opened = Callable[..., Any]

HUM = """
if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 330 });
  const end = context.createMediaStreamDestination();
  tone.connect(end);
  tone.start();
  return end.stream;
};
"""
"""A microphone that hears one note; an empty tab has none."""


def sent(page: Any) -> dict[str, Any]:
    """What the form asks for when Create is pressed; nothing is made of it."""
    page.route("**/v1/predictions", lambda route: route.abort())
    page.watch.expect("Failed to load resource", "request failed")
    with page.expect_request("**/v1/predictions") as asked:
        create(page)
    body: dict[str, Any] = json.loads(asked.value.post_data)
    return body


def create(page: Any) -> None:
    page.get_by_role("button", name="Create", exact=True).click()


def marked(page: Any, end: str) -> Any:
    return page.get_by_role("spinbutton", name=end, exact=True)


def test_the_first_press_plays_an_example(browser: Any, tmp_path: Path) -> None:
    with (
        pretending(tmp_path) as server,
        watched_page(browser, server.url, **PHONE) as page,
    ):
        example = page.get_by_role("article", name="Example")
        example.get_by_role("button", name="Play the example").click()
        page.get_by_role("button", name="Pause the example").wait_for()
        slider = example.get_by_role("slider")
        page.wait_for_function("element => element.ariaValueNow > 0.5", arg=slider.element_handle())
        example.get_by_role("button", name="Start with this description").click()
        assert page.get_by_label("Describe the music").input_value().startswith("happy bossa nova")
        assert faults(page) == []
        assert too_wide(page) == []


def test_what_the_server_takes_appears_by_itself(opened: Opened) -> None:
    further = {
        "swing_amount": {"title": "Swing Amount", "type": "number", "default": 0.5},
        "ritardando": {"title": "Ritardando", "type": "boolean", "default": False},
        "church_mode": {"title": "Church Mode", "type": "string", "enum": ["dorian", "lydian"]},
        "liner_notes": {"title": "Liner Notes", "type": "string"},
    }

    def tell(route: Any) -> None:
        document = route.fetch().json()
        inputs = document["components"]["schemas"]["Input"]["properties"]
        del inputs["temperature"]
        inputs.update(further)
        route.fulfill(json=document)

    page = opened("#/settings", **DESKTOP)  # the form reads the document when it is first shown
    page.route("**/openapi.json", tell)
    page.goto(page.url.replace("settings", "create"))
    page.get_by_text("More settings").click()
    page.get_by_label("Swing amount").fill("0.7")
    page.get_by_role("switch", name="Ritardando").check()
    page.get_by_label("Church mode").select_option("lydian")
    page.get_by_label("Liner notes").fill("for Ada")
    assert page.get_by_label("Boldness").count() == 0
    page.get_by_role("button", name="Lo-fi", exact=True).click()
    asked = sent(page)["input"]
    assert asked.pop("prompt").startswith("lo-fi")
    assert asked == {
        "swing_amount": 0.7,
        "ritardando": True,
        "church_mode": "lydian",
        "liner_notes": "for Ada",
    }


def test_words_are_asked_for(opened: Opened) -> None:
    page = opened(**PHONE)
    create(page)
    page.get_by_text("Describe the music, or start from a recording.").wait_for()
    assert page.evaluate("document.activeElement.ariaInvalid ?? document.activeElement.tagName")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    assert faults(page) == []


def test_refusals_stand_beside_their_inputs(opened: Opened) -> None:
    page = opened(**DESKTOP)
    page.watch.expect("status of 422")
    page.get_by_label("Describe the music").fill("waltz")
    page.get_by_text("More settings").click()
    page.get_by_label("Sounds to choose from").fill("-3")
    create(page)
    page.get_by_text("This is -3, but must be a whole number of at least 0").wait_for()
    field = page.get_by_label("Sounds to choose from")
    assert field.get_attribute("aria-invalid") == "true"
    assert faults(page) == []
    field.fill("30")
    page.get_by_text("This is -3").wait_for(state="hidden")


def test_what_was_written_survives_a_reload(opened: Opened) -> None:
    page = opened(**DESKTOP)
    page.get_by_label("Describe the music").fill("a slow waltz")
    page.get_by_label("Length").focus()
    page.keyboard.press("ArrowRight")
    page.reload()
    page.get_by_text("9 seconds").wait_for()
    assert page.get_by_label("Describe the music").input_value() == "a slow waltz"
    assert sent(page) == {
        "version": "songloom/nano",
        "input": {"prompt": "a slow waltz", "duration": 9},
    }


def test_a_long_recording_goes_on_from_its_end(opened: Opened) -> None:
    page = opened(**DESKTOP)
    page.get_by_label("Choose a file").set_input_files(SONG)
    marked(page, "From").wait_for()
    seconds = float(marked(page, "To").input_value())
    assert seconds > 20
    assert float(marked(page, "From").input_value()) == pytest.approx(seconds - 10, abs=0.2)
    page.get_by_text("10.0 s of your recording").wait_for()
    marked(page, "From").fill("2")
    marked(page, "To").fill("5")
    page.get_by_text("3.0 s of your recording").wait_for()
    assert faults(page) == []
    asked = sent(page)["input"]
    assert asked.pop("input_audio").startswith("http")
    del asked["duration"]
    assert asked == {"continuation": True, "continuation_start": 2, "continuation_end": 5}


def test_the_marked_part_is_dragged(opened: Opened, tmp_path: Path) -> None:
    page = opened(**DESKTOP)
    page.get_by_label("Choose a file").set_input_files(SONG)
    marked(page, "From").wait_for()
    marked(page, "From").fill("4")
    box = page.locator(".trimmer .player-wave").bounding_box()
    whole = float(marked(page, "To").input_value())
    x, y = box["x"] + box["width"] * 4 / whole + 4, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y, steps=5)
    page.mouse.move(x + 60, y, steps=5)
    page.mouse.up()
    moved = whole * 60 / box["width"]
    assert float(marked(page, "From").input_value()) == pytest.approx(4 + moved, abs=0.5)


def test_a_melody_is_read_from_the_marked_part(opened: Opened, server: ServerProcess) -> None:
    page = opened(**DESKTOP)
    page.get_by_label("Choose a file").set_input_files(SONG)
    marked(page, "From").fill("1")
    marked(page, "To").fill("3.5")
    page.get_by_role("radio", name="Follow its melody").check()
    asked = sent(page)["input"]
    assert "continuation" not in asked
    part = server.client.get(asked["input_audio"]).json()
    assert part["name"] == "part.wav"
    rate, frame = 48_000, 4
    assert part["size"] == pytest.approx(2.5 * rate * frame, rel=0.6)
    page.get_by_role("button", name="Remove the recording").click()
    page.get_by_label("Choose a file").wait_for(state="attached")


def test_a_recording_of_the_microphone(opened: Opened) -> None:
    page = opened(script=HUM, **DESKTOP)
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("timer").get_by_text("0:01").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("Your recording", exact=True).wait_for()
    marked(page, "To").wait_for()
    assert float(marked(page, "To").input_value()) > 0.5


def test_a_microphone_that_may_not_be_used(opened: Opened) -> None:
    refuse = (
        "if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => "
        "{ throw new DOMException('no', 'NotAllowedError'); };"
    )
    page = opened(script=refuse, **DESKTOP)
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("The browser was not allowed to use the microphone.").wait_for()


def test_a_dropped_file_is_taken(opened: Opened, tmp_path: Path) -> None:
    page = opened(**DESKTOP)
    data = write_tone(tmp_path / "tone.wav").read_bytes()
    page.get_by_label("Describe the music").wait_for()
    page.evaluate(
        """bytes => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], 'tone.wav', { type: 'audio/wav' }));
            const form = document.querySelector('form');
            form.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true }));
        }""",
        list(data),
    )
    page.get_by_text("tone.wav").wait_for()


def test_a_wrong_token_is_asked_for_again(opened: Opened) -> None:
    page = opened("#/settings", **DESKTOP)
    page.watch.expect("status of 401")

    def guard(route: Any) -> None:
        if route.request.headers.get("authorization") == "Bearer sl_right":
            route.continue_()
        else:
            route.fulfill(status=401, json={"title": "Unauthorized", "status": 401})

    page.route(re.compile("/v1/|/openapi.json"), guard)
    page.goto(page.url.replace("settings", "create"))
    page.reload()
    dialog = page.get_by_role("dialog", name="This server asks for a token")
    dialog.get_by_label("Token", exact=True).fill("sl_wrong")
    dialog.get_by_role("button", name="Continue").click()
    dialog.get_by_text("is not valid here").wait_for()
    dialog.get_by_label("Token", exact=True).fill("sl_right")
    dialog.get_by_role("button", name="Continue").click()
    dialog.wait_for(state="hidden")
    page.get_by_label("Describe the music").wait_for()
    page.reload()  # this browser remembers it
    page.get_by_label("Describe the music").wait_for()


def test_a_server_that_is_gone_is_told_and_waited_for(opened: Opened) -> None:
    page = opened(**DESKTOP)
    page.watch.expect("ERR_INTERNET_DISCONNECTED")
    page.get_by_label("Describe the music").fill("waltz")
    page.wait_for_load_state("networkidle")  # parts of the page that are under way would be missed
    page.context.set_offline(True)
    create(page)
    page.get_by_text("songloom is not responding.").first.wait_for()
    page.context.set_offline(False)
    page.get_by_text("this page will reconnect by itself").wait_for(state="hidden")


def test_nothing_focused_hides_behind_the_button(opened: Opened) -> None:
    page = opened(viewport={"width": 1280, "height": 620})
    page.get_by_label("Describe the music").focus()
    hidden = []
    for _ in range(30):
        page.keyboard.press("Tab")
        hidden += page.evaluate(
            """() => {
                const at = document.activeElement.getBoundingClientRect();
                const bar = document.querySelector('.create-go').getBoundingClientRect();
                const inside = document.activeElement.closest('.create-form > :not(.create-go)');
                const covered = inside && at.top < bar.bottom && at.bottom > bar.top + 14;
                return covered ? [document.activeElement.outerHTML.slice(0, 80)] : [];
            }"""
        )
    assert hidden == []


def test_nothing_stays_in_sight_on_a_short_screen(opened: Opened) -> None:
    page = opened(viewport={"width": 640, "height": 400})  # a laptop's screen at 200 %
    page.get_by_label("Describe the music").wait_for()
    for view in ("create", "train", "library", "settings"):
        page.goto(re.sub(r"#.*|$", f"#/{view}", page.url, count=1))
        page.locator("main h1").first.wait_for()
        stuck = page.evaluate(
            """[...document.querySelectorAll('#app *')].filter(
                (one) => ['fixed', 'sticky'].includes(getComputedStyle(one).position)
                    && one.offsetHeight > 30 && !one.matches('.skip, .toasts')
            ).map((one) => one.className)"""
        )
        assert [name for name in stuck if name != ""] == [], view


def test_a_loop_of_nano_is_told_before_it_is_heard(opened: Opened) -> None:
    page = opened(**DESKTOP)
    length = page.get_by_label("Length", exact=True)
    length.press("Home")
    note = page.get_by_text("Beyond about 30 seconds, this model tends to repeat itself.")
    assert note.count() == 0
    length.press("End")
    note.wait_for()
