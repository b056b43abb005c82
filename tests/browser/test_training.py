"""A training on the page: begun, watched, stopped, gone on with, heard, and used."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.browser.conftest import watched_page
from tests.browser.looking import DESKTOP, PHONE, faults, too_wide, until
from tests.server.server_process import ServerProcess, serving

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[2] / "examples" / "songs"
A_WHILE = 300_000
"""Milliseconds that preparing, or the rest of a short training, may take."""


def beginning(song: Path) -> bytes:
    """The first six seconds of a song, as a file of its kind."""
    rate = soundfile.info(song).samplerate
    samples, _ = soundfile.read(song, frames=6 * rate)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="OGG")
    return file.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose songs are short, so that they are prepared soon."""
    with serving(tmp_path_factory.mktemp("training"), "--devices", "cpu") as server:
        id = server.client.post("/v1/datasets", json={"name": "Music boxes"}).json()["id"]
        for path in sorted(EXAMPLES.glob("0[1-4]-*")):
            content = beginning(path) if path.suffix == ".ogg" else path.read_bytes()
            server.client.put(f"/v1/datasets/{id}/songs?path={path.name}", content=content)
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
    form.get_by_label("Name of the model").fill(name)
    form.get_by_text("Advanced").click()
    for label, value in settings.items():
        form.get_by_label(label.replace("_", " "), exact=True).fill(str(value))
    form.get_by_text(", including preparation and comparison").wait_for(timeout=A_WHILE)
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
    page.get_by_role("heading", name="How it sounds so far").wait_for(timeout=A_WHILE)
    page.get_by_role("heading", name="Your model is ready").wait_for(timeout=A_WHILE)
    page.get_by_role("heading", name="Before and after").wait_for()
    assert page.get_by_role("group", name="Before: ").count() == 2
    assert page.get_by_role("group", name="After: ").count() == 2
    compare_through_ears(page)
    page.get_by_role("img", name="Chart of the training").wait_for()
    page.get_by_text("Show as numbers").click()
    assert page.get_by_role("row").count() >= 3
    report = page.get_by_role("link", name="Open the report").get_attribute("href")
    assert "<h2>" in server.client.get(report).text
    assert faults(page) == []
    page.get_by_role("link", name="Use this model").click()
    chosen = page.get_by_label("Model", exact=True)
    chosen.locator("option[value='me/spieluhren-fur-zoe']").wait_for(state="attached")
    assert chosen.input_value() == "me/spieluhren-fur-zoe"


def compare_through_ears(page: Any) -> None:
    """Compare a song that was kept aside with what the model's codec makes of it."""
    page.get_by_role("heading", name=re.compile("^Your songs through the model.s ears")).wait_for()
    ears = page.get_by_role("region", name=re.compile("^Your songs through"))
    for when in ("Your song", "Through the model"):
        clip = ears.get_by_role("group", name=f"{when}: ").first
        clip.get_by_role("button", name=f"Compare {when}: ").click()
    bar = page.get_by_role("region", name="Compare A and B")
    bar.get_by_role("button", name="Play the comparison").click()
    until(page, "parseFloat(document.querySelector('.comparison .slider').value) > 0.2")
    bar.get_by_role("radio", name="B").check()
    bar.get_by_text("Through the model: ").wait_for()
    bar.get_by_role("button", name="End the comparison").click()


def test_a_song_is_heard_through_the_model_before_a_training(page: Any) -> None:
    page.get_by_role("listitem").filter(has_text="4 songs").get_by_role("link").click()
    song = page.locator(".song").first
    name = song.get_by_role("heading").inner_text()
    song.get_by_role("button", name="Hear it through nano").click()
    song.get_by_role("group", name=f"Your song: {name}").wait_for(timeout=A_WHILE)
    heard = song.get_by_role("group", name=f"Through nano: {name}")
    assert song.get_by_role("status").last.inner_text().strip()  # how well it can
    heard.get_by_role("button", name=f"Play Through nano: {name}").click()
    heard.get_by_role("button", name=f"Pause Through nano: {name}").wait_for()
    heard.get_by_role("button", name=f"Compare Through nano: {name}").click()
    page.get_by_role("region", name="Compare A and B").get_by_text("Now choose").wait_for()
    assert faults(page) == []


def test_one_that_is_stopped_goes_on(page: Any, server: ServerProcess) -> None:
    begin(page, "Twice", **SHORT | {"Updates_in_an_epoch": 60})
    page.get_by_text("Learning: ").wait_for(timeout=A_WHILE)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("What it learned so far is saved").wait_for(timeout=A_WHILE)
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Learning: ").wait_for(timeout=A_WHILE)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Continue").wait_for(timeout=A_WHILE)
    page.get_by_role("link", name="All trainings").click()
    stopped = page.get_by_role("listitem").filter(has_text="Twice")
    stopped.get_by_text("Cancelled").wait_for()


@pytest.fixture(scope="module")
def training(server: ServerProcess) -> str:
    """The id of a training that has begun to learn, and is stopped."""
    dataset = server.client.get("/v1/datasets").json()["results"][0]
    version = server.client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    wanted = {
        "dataset_path": dataset["urls"]["get"], "epochs": 1, "updates_per_epoch": 1000,
        "batch_size": 1, "window_seconds": 1.0, "previews": 0, "auto_labeling": False,
    }  # fmt: skip
    url = f"/v1/models/songloom/nano/versions/{version}/trainings"
    made = server.client.post(url, json={"destination": "me/watched", "input": wanted})
    assert made.status_code == 201, made.text
    id = str(made.json()["id"])
    server.until(lambda: server.client.get(f"/v1/trainings/{id}/curve").json()["points"])
    server.client.post(f"/v1/trainings/{id}/cancel")
    server.until(lambda: server.client.get(f"/v1/trainings/{id}").json()["status"] == "canceled")
    return id


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_watch_it(
    browser: Any, server: ServerProcess, training: str, scheme: str
) -> None:
    path = f"/#/trainings/{training}"
    with watched_page(browser, server.url, path, color_scheme=scheme, **PHONE) as page:
        page.get_by_role("heading", name="How it learns").wait_for()
        page.get_by_text("Settings", exact=True).last.wait_for()
        assert faults(page) == []
        assert too_wide(page) == []
