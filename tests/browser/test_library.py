"""The library of one who has made five hundred pieces."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import LONG_TIMERS, watched_page
from tests.browser.looking import DESKTOP, PHONE, faults, patiently, smoothness, too_wide
from tests.browser.seeding import fill_library, prompts
from tests.server.server_process import ServerProcess, pretending

pytestmark = pytest.mark.browser
MANY = 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose library was filled before."""
    home = tmp_path_factory.mktemp("full")
    fill_library(home, MANY)
    with pretending(home) as server:
        yield server


@pytest.fixture
def own(server: ServerProcess) -> Iterator[str]:
    """The newest piece, which a test may do with as it likes: it is gone afterwards."""
    prompt = "my own fortieth march, idea 40"
    body = {"version": "songloom/nano", "input": {"prompt": prompt, "duration": 1}}
    id = server.client.post("/v1/predictions", json=body).json()["id"]
    server.until_status(id, "succeeded")
    yield prompt
    server.client.delete(f"/v1/library/{id}?forever=true")


@pytest.fixture
def library(browser: Any, server: ServerProcess) -> Iterator[Any]:
    with watched_page(browser, server.url, "/#/library", LONG_TIMERS, **DESKTOP) as page:
        page.locator(".library-row").nth(40).wait_for(state="attached")
        yield page


def rows(page: Any) -> Any:
    return page.locator(".library-row")


def names(page: Any) -> list[str]:
    found: list[str] = page.locator(".library-row h2").all_text_contents()
    return found


def search(page: Any, words: str) -> None:
    page.get_by_role("searchbox").fill(words)


def total(page: Any, number: int) -> None:
    page.locator(f".library > [role=status]:text-matches('^{number} items?$')").wait_for(
        state="attached"
    )


def made_of(*words: str) -> list[str]:
    """Names of what has these words, as the library shows it."""
    return [text for text in reversed(prompts(MANY)) if all(word in text for word in words)]


def shelf(page: Any, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


def test_words_find_what_was_made_with_them_and_stay_after_a_reload(library: Any) -> None:
    total(library, MANY)
    found = made_of("music box", "15")
    search(library, "box music 15")
    total(library, len(found))
    assert names(library) == found
    library.reload()
    rows(library).first.wait_for()
    assert names(library) == found
    search(library, "no such thing")
    library.get_by_text("No results for “no such thing”").wait_for()


def scroll_to_the_end(page: Any) -> None:
    for _ in patiently(page):
        page.mouse.wheel(0, 50_000)
        if not page.locator(".library-further").count():
            break


def test_all_can_be_reached_by_scrolling(library: Any) -> None:
    scroll_to_the_end(library)
    assert names(library) == made_of()


def test_shelves_show_what_they_say_and_can_be_gone_back_from(library: Any) -> None:
    shelf(library, "Favourites")
    total(library, 50)
    shelf(library, "Trained models")
    library.get_by_role("heading", name="No trained models yet").wait_for()
    library.go_back()
    total(library, 50)


def test_a_favourite_is_one_for_good(library: Any) -> None:
    search(library, "idea 123")
    total(library, 1)
    heart = library.get_by_role("button", name=re.compile("idea 123 is a favourite"))
    assert heart.get_attribute("aria-pressed") == "false"
    heart.click()
    library.reload()
    library.locator(".library-heart[aria-pressed=true]").wait_for()
    heart.click()
    library.locator(".library-heart[aria-pressed=false]").wait_for()


@pytest.mark.usefixtures("own")
def test_it_is_renamed_in_its_place(library: Any) -> None:
    search(library, "own fortieth")
    total(library, 1)
    rows(library).hover()
    library.get_by_role("button", name="Rename").click()
    library.keyboard.type("The second waltz")
    library.keyboard.press("Escape")
    assert "own fortieth" in names(library)[0]
    library.get_by_role("button", name="Rename").click()
    library.keyboard.type("The second waltz")
    library.keyboard.press("Enter")
    library.get_by_role("heading", name="The second waltz").wait_for()
    search(library, "second waltz")
    total(library, 1)
    assert names(library) == ["The second waltz"]


def test_what_is_deleted_can_be_had_back_at_once_or_from_the_bin(library: Any) -> None:
    before = made_of("30")
    number = len(before)
    search(library, "30")
    total(library, number)
    rows(library).nth(2).hover()
    rows(library).nth(2).get_by_role("button", name="Delete").click()
    total(library, number - 1)
    assert names(library) == before[:2] + before[3:]
    library.get_by_role("button", name="Undo").click()
    total(library, number)
    assert names(library) == before

    for way_back in ("Undo", "Restore"):
        rows(library).nth(2).hover()
        rows(library).nth(2).get_by_role("button", name="Delete").click()
        total(library, number - 1)
        shelf(library, "Bin")
        total(library, 1)
        assert names(library) == [before[2]]
        library.get_by_role("button", name=way_back).last.click()
        total(library, 0)
        shelf(library, "Everything")
        total(library, number)
        assert names(library) == before
    shelf(library, "Bin")
    search(library, "")
    library.get_by_role("heading", name="The bin is empty").wait_for()
    shelf(library, "Everything")
    total(library, MANY)


@pytest.mark.usefixtures("own")
def test_what_is_deleted_for_good_is_gone(library: Any) -> None:
    search(library, "own fortieth")
    total(library, 1)
    library.get_by_role("button", name="Delete").click()
    total(library, 0)
    shelf(library, "Bin")
    library.get_by_role("button", name="permanently").click()
    library.get_by_role("button", name="Keep").click()
    assert rows(library).count() == 1
    library.get_by_role("button", name="Empty the bin").click()
    library.get_by_role("dialog").get_by_role("button", name="Empty the bin").click()
    total(library, 0)


def test_the_disk_and_the_way_out_are_told(library: Any, tmp_path: Path) -> None:
    library.get_by_text(re.compile(r"used · .* free")).click()
    library.get_by_text("Music", exact=True).last.wait_for()
    link = library.get_by_role("link", name="Export all music")
    assert link.get_attribute("href").endswith("&kind=prediction")  # and no trained models
    with library.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "export.zip")
    shutil.unpack_archive(tmp_path / "export.zip", tmp_path / "export")
    assert len(list((tmp_path / "export").rglob("*.wav"))) > 400


def test_downloads_are_files_of_their_kind(library: Any) -> None:
    library.get_by_role("button", name="More about").first.click()
    for kind, magic in (("wav", b"RIFF"), ("flac", b"fLaC")):
        with library.expect_download() as download:
            library.get_by_role("link", name=kind, exact=True).first.click()
        assert Path(download.value.path()).read_bytes().startswith(magic)


def test_scrolling_and_searching_stay_smooth(library: Any) -> None:
    scroll_to_the_end(library)
    scrolled = smoothness(library, "scrollBy(0, i < 60 ? -120 : 120)")
    typed = smoothness(
        library,
        """const field = document.querySelector("[type=search]");
        if (i % 8 === 0 && i <= 48) {
            field.value = "idea 12".slice(0, i / 8 + 1);
            field.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
    )
    for name, seen in (("scrolling", scrolled), ("typing", typed)):
        print(f"{name}: {seen.work:.1f} ms of work a frame; slowest {seen.frames[:5]} ms")
        assert seen.work < 120  # 45 on a machine with ten other programs and no graphics card


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_everyone_can_use_it(
    browser: Any, server: ServerProcess, screen: dict[str, Any], scheme: str
) -> None:
    options = screen | {"color_scheme": scheme}
    with watched_page(browser, server.url, "/#/library", **options) as page:
        rows(page).nth(3).get_by_role("button", name="More about").click()
        page.get_by_text(re.compile(r"used · .* free")).click()
        assert too_wide(page) == []
        assert faults(page) == []


@pytest.mark.usefixtures("own")
def test_the_keyboard_is_enough(library: Any) -> None:
    number = len(made_of("40")) + 1
    search(library, "40")
    total(library, number)

    def tab_to(name: str) -> None:
        for _ in range(60):
            library.keyboard.press("Tab")
            if library.evaluate("document.activeElement.ariaLabel ?? ''").startswith(name):
                return
        raise AssertionError(f"the keyboard does not reach {name!r}")

    tab_to("Rename")
    library.keyboard.press("Enter")
    library.keyboard.type("By hand")
    library.keyboard.press("Enter")
    library.get_by_role("heading", name="By hand").wait_for()
    tab_to("By hand is a favourite")
    library.keyboard.press("Space")
    tab_to("Delete By hand")
    library.keyboard.press("Enter")
    total(library, number - 1)
    library.locator(".library-row:first-child :focus, .library-row:first-child:focus").wait_for()
