"""Songs on the page: brought in, listened to, described, and taken back."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import LONG_TIMERS, watched_page
from tests.browser.looking import DESKTOP, PHONE, faults, too_wide
from tests.server.server_process import ServerProcess

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[2] / "examples" / "songs"


@pytest.fixture
def train(browser: Any, server: ServerProcess) -> Iterator[Any]:
    for dataset in server.client.get("/v1/datasets").json()["results"]:
        server.client.delete(f"/v1/datasets/{dataset['id']}")
    with watched_page(browser, server.url, "/#/train", LONG_TIMERS, **DESKTOP) as page:
        page.get_by_role("heading", name="How many songs?").wait_for()
        yield page


def choose_folder(page: Any, folder: Path) -> None:
    page.get_by_label("Choose a folder of songs").set_input_files(folder)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder with two of the songs and their descriptions: each takes its time to be heard."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for path in [*EXAMPLES.glob("02-*"), *EXAMPLES.glob("03-*")]:
        shutil.copy(path, folder)
    return folder


def song(page: Any, name: str) -> Any:
    return page.get_by_role("listitem", name=name, exact=True)


def stored(server: ServerProcess) -> list[dict[str, Any]]:
    (dataset,) = server.client.get("/v1/datasets").json()["results"]
    found: list[dict[str, Any]] = dataset["songs"]
    return found


def test_a_folder_is_brought_in_and_listened_to(train: Any) -> None:
    choose_folder(train, EXAMPLES)
    train.get_by_text("8 songs").wait_for()
    train.get_by_text("Skipped because it is not a song: songs/README.md.").wait_for()
    first = song(train, "01-brass-key")
    first.get_by_label("Description").wait_for()
    assert first.get_by_label("Description").input_value().startswith("Clockwork waltz: a celesta")
    first.get_by_text("125 bpm · A minor").wait_for()
    first.locator(".player-wave > div").wait_for()


def test_a_caption_is_saved_as_one_types_and_can_be_undone(
    train: Any, server: ServerProcess, few: Path
) -> None:
    choose_folder(train, few)
    caption = song(train, "02-attic-carousel").get_by_label("Description")
    train.get_by_text("2 described").wait_for()
    before = caption.input_value()
    caption.press("End")
    caption.press_sequentially(", played by mice ")
    song(train, "02-attic-carousel").get_by_text("Saved").wait_for()
    assert caption.input_value().endswith("mice ")
    assert any((each["caption"] or "").endswith("played by mice") for each in stored(server))
    train.reload()
    caption.wait_for()
    assert caption.input_value().endswith("mice")
    caption.fill("Something else")
    song(train, "02-attic-carousel").get_by_text("Saved").wait_for()
    song(train, "02-attic-carousel").get_by_role("button", name="Undo the last change").click()
    assert caption.input_value() == f"{before}, played by mice"


def test_labels_are_words_with_commas_between(train: Any, server: ServerProcess, few: Path) -> None:
    choose_folder(train, few)
    item = song(train, "03-toy-soldiers-turn")
    item.locator("summary").click()
    item.get_by_label("Mood").fill("proud, a little silly,")
    item.get_by_label("Tempo").fill("149")
    item.get_by_label("Tempo").press("Tab")
    item.get_by_label("Key").select_option("F# minor")
    item.get_by_text("149 bpm · F♯ minor · proud, a little silly").wait_for()
    item.get_by_text("Saved").wait_for()
    (labels,) = [s["labels"] for s in stored(server) if "soldiers" in s["file"]]
    assert labels["mood"] == ["proud", "a little silly"]
    assert (labels["bpm"], labels["key"]) == (149, "F# minor")
    item.get_by_label("Tempo").fill("9000")
    train.watch.expect("422")
    item.get_by_label("Tempo").press("Enter")
    item.get_by_text("Not saved").wait_for()


def test_a_song_that_is_removed_can_be_had_back(
    train: Any, server: ServerProcess, few: Path
) -> None:
    (few / "third.ogg").write_bytes((EXAMPLES / "01-brass-key.ogg").read_bytes())
    choose_folder(train, few)
    names = ("02-attic-carousel", "03-toy-soldiers-turn")
    song(train, names[1]).wait_for()
    for name in names:
        song(train, name).get_by_role("button", name=f"Remove {name}").click()
        song(train, name).wait_for(state="detached")
    train.get_by_text(re.compile(r"^1 song\b")).wait_for()
    train.get_by_role("status").get_by_role("button", name="Undo").first.click()
    song(train, names[0]).wait_for()
    assert len(stored(server)) == 3
    train.evaluate("endLongTimers()")
    server.until(lambda: len(stored(server)) == 2)
    assert names[1] not in str(stored(server))


def test_what_can_t_be_used_is_named_with_what_to_do(train: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "noise.mp3").write_bytes(b"no sound at all")
    (folder / "notes.json").write_text("{")
    (folder / "01.ogg").write_bytes((EXAMPLES / "01-brass-key.ogg").read_bytes())
    (folder / "again.ogg").write_bytes((EXAMPLES / "01-brass-key.ogg").read_bytes())
    choose_folder(train, folder)
    alert = train.get_by_role("alert").filter(has_text="2 files could not be used")
    alert.get_by_text("mine/again.ogg: it is the same recording as").wait_for()
    train.get_by_text("It is left out of trainings").wait_for()
    train.get_by_role("button", name="OK").click()
    alert.wait_for(state="detached")


def test_a_collection_goes_and_comes_back(train: Any, server: ServerProcess) -> None:
    server.client.post("/v1/datasets", json={"name": "Polkas"})
    train.reload()
    train.get_by_role("button", name="Remove Polkas").click()
    train.get_by_role("link", name="Polkas").wait_for(state="detached")
    train.get_by_role("button", name="Undo").click()
    train.get_by_role("link", name="Polkas").click()
    name = train.get_by_label("Name of these songs")
    name.fill("Mazurkas")
    name.press("Enter")
    server.until(
        lambda: server.client.get("/v1/datasets").json()["results"][0]["name"] == "Mazurkas"
    )


@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(
    browser: Any, server: ServerProcess, device: dict[str, Any], scheme: str
) -> None:
    id = server.client.post("/v1/datasets", json={"name": "One"}).json()["id"]
    for path in sorted(EXAMPLES.glob("01-*")):
        url = f"/v1/datasets/{id}/songs?path=one/{path.name}"
        server.client.put(url, content=path.read_bytes())
    with watched_page(browser, server.url, "/#/train", color_scheme=scheme, **device) as page:
        page.locator(".item-link").first.wait_for()
        assert faults(page) == []
        assert too_wide(page) == []
        page.locator(".item-link").first.click()
        page.locator(".song").first.wait_for()
        page.locator(".song-labels summary").first.click()
        assert faults(page) == []
        assert too_wide(page) == []
