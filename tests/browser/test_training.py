"""A training on the page: begun, watched, stopped, gone on with, heard, and used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import watched_page
from tests.browser.looking import DESKTOP, PHONE, faults, too_wide
from tests.server.processes import ServerProcess, serving

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[2] / "examples" / "songs"
A_WHILE = 120_000
"""Milliseconds that preparing, or the rest of a short training, may take."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose songs are short, so that they are prepared soon."""
    with serving(tmp_path_factory.mktemp("training"), "--devices", "cpu") as server:
        id = server.client.post("/v1/datasets", json={"name": "Music boxes"}).json()["id"]
        for path in sorted(EXAMPLES.glob("0[1-4]-*")):
            server.client.put(
                f"/v1/datasets/{id}/songs?path={path.name}", content=path.read_bytes()
            )
        server.until(
            lambda: all(
                song["status"] == "ready"
                for song in server.client.get(f"/v1/datasets/{id}").json()["songs"]
            )
        )
        yield server


@pytest.fixture
def page(browser: Any, server: ServerProcess) -> Iterator[Any]:
    with watched_page(browser, server.url, "/#/train", **DESKTOP) as page:
        page.get_by_role("link", name="Music boxes").first.wait_for()
        yield page


def begin(page: Any, name: str, **settings: int) -> None:
    """Start a training as a person does, with some of the advanced settings."""
    page.get_by_role("listitem").filter(has_text="4 songs").get_by_role("link").click()
    form = page.get_by_role("form", name="Train a model on these songs")
    form.get_by_label("What will you call it?").fill(name)
    form.get_by_text("Advanced").click()
    for label, value in settings.items():
        form.get_by_label(label.replace("_", " "), exact=True).fill(str(value))
    form.get_by_text(", preparing and comparing included").wait_for(timeout=A_WHILE)
    form.get_by_role("button", name="Start training").click()
    page.get_by_role("heading", name=name, level=1).wait_for()


SHORT = {
    "Epochs": 1,
    "Updates_in_an_epoch": 4,
    "Excerpts_at_a_time": 2,
    "Seconds_of_an_excerpt": 2,
    "Seconds_of_these_pieces": 1,
    "Updates_between_pieces_on_the_way": 2,
}


def test_from_songs_to_a_model_that_is_used(page: Any, server: ServerProcess) -> None:
    begin(page, "Spieluhren für Zoë", **SHORT)
    page.get_by_text("Learning: ").wait_for(timeout=A_WHILE)
    page.reload()  # in its middle
    page.get_by_role("heading", name="How it sounds on the way").wait_for(timeout=A_WHILE)
    page.get_by_role("heading", name="Your model is ready").wait_for(timeout=A_WHILE)
    page.get_by_role("heading", name="Before and after").wait_for()
    assert page.get_by_role("group", name="Before: ").count() == 2
    assert page.get_by_role("group", name="After: ").count() == 2
    page.get_by_role("img", name="Chart of the training").wait_for()
    page.get_by_text("The same in numbers").click()
    assert page.get_by_role("row").count() >= 3
    report = page.get_by_role("link", name="Open the report").get_attribute("href")
    assert "<h2>" in server.client.get(report).text
    assert faults(page) == []
    page.get_by_role("link", name="Use it now").click()
    chosen = page.get_by_label("Model", exact=True)
    chosen.locator("option[value='me/spieluhren-fur-zoe']").wait_for(state="attached")
    assert chosen.input_value() == "me/spieluhren-fur-zoe"


def test_one_that_is_stopped_goes_on(page: Any, server: ServerProcess) -> None:
    begin(page, "Twice", **SHORT | {"Updates_in_an_epoch": 60})
    page.get_by_text("Learning: ").wait_for(timeout=A_WHILE)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("What it learned so far is saved").wait_for(timeout=A_WHILE)
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("Learning: ").wait_for(timeout=A_WHILE)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Go on").wait_for(timeout=A_WHILE)
    page.get_by_role("link", name="All trainings").click()
    stopped = page.get_by_role("listitem").filter(has_text="Twice")
    stopped.get_by_text("Stopped").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_watch_it(browser: Any, server: ServerProcess, scheme: str) -> None:
    (training, *_) = server.client.get("/v1/library?kind=training").json()["results"]
    path = f"/#/trainings/{training['id']}"
    with watched_page(browser, server.url, path, color_scheme=scheme, **PHONE) as page:
        page.get_by_role("heading", name="How it learns").wait_for()
        page.get_by_text("Settings", exact=True).last.wait_for()
        assert faults(page) == []
        assert too_wide(page) == []
