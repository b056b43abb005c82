"""What holds in every view: for all eyes and hands, on all screens, in a few bytes."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.looking import DESKTOP, PHONE, faults, too_wide

pytestmark = pytest.mark.browser
Opened = Callable[..., Any]
VIEWS = {
    "create": "What would you like to hear?",
    "train": None,
    "library": "Library",
    "settings": "Settings",
}
FIRST_PAINT = 200_000
"""Bytes on the wire until the page can be used."""


def show(page: Any, view: str) -> None:
    page.goto(re.sub(r"#.*|$", f"#/{view}", page.url, count=1))
    page.locator("main h1").first.wait_for()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize(
    ("screen", "scheme"),
    [(PHONE, "dark"), (PHONE, "light"), (DESKTOP, "dark"), (DESKTOP, "light")],
    ids=["phone-dark", "phone-light", "desktop-dark", "desktop-light"],
)
def test_nobody_is_kept_out(opened: Opened, screen: dict[str, Any], scheme: str) -> None:
    page = opened(**screen, color_scheme=scheme)
    found = {}
    for view in VIEWS:
        show(page, view)
        folded = page.locator("main details:not([open]) > summary:visible")
        while folded.count():
            folded.first.click()
        page.wait_for_timeout(200)
        found[view] = too_wide(page) + faults(page)
    assert found == {view: [] for view in VIEWS}


def test_the_first_paint_takes_few_bytes(opened: Opened) -> None:
    page = opened("assets/icon.svg", keeps_cache=False)
    page.watch.expect("favicon.ico")  # which browsers ask for beside a picture
    tools = page.context.new_cdp_session(page)
    tools.send("Network.enable")
    got: list[float] = []
    tools.on("Network.loadingFinished", lambda event: got.append(event["encodedDataLength"]))
    page.goto(page.url.replace("assets/icon.svg", ""))
    page.get_by_label("Describe the music").wait_for()
    page.wait_for_load_state("networkidle")
    print(f"first paint: {len(got)} requests, {sum(got):.0f} bytes")
    assert 30_000 < sum(got) < FIRST_PAINT


def test_views_are_reached_by_the_keyboard(opened: Opened) -> None:
    page = opened()
    page.get_by_label("Describe the music").wait_for()
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert [name for name in reached if name.lower() in VIEWS] == [
        "Create", "Train", "Library", "Settings",
    ]  # fmt: skip
    page.get_by_role("link", name="Settings").press("Enter")
    page.get_by_role("heading", name="Settings", level=1).wait_for()


def test_an_unknown_address_shows_the_start(opened: Opened) -> None:
    page = opened("#/nothing/of/the/kind")
    page.get_by_label("Describe the music").wait_for()


@pytest.mark.parametrize("address", ["#/%E0%A4%A", "#/constructor", "#/library?show=constructor"])
def test_a_broken_address_shows_a_view(opened: Opened, address: str) -> None:
    opened(address).locator("main h1").first.wait_for()


def test_an_unknown_piece_is_told_plainly(opened: Opened) -> None:
    page = opened("#/settings")
    page.watch.expect("status of 404")
    page.goto(page.url.replace("settings", "predictions/nothing-of-the-kind"))
    page.get_by_text("This is no longer in the library").wait_for()
    assert "GET /v1" not in page.locator("main").inner_text()
    page.get_by_role("link", name="Show the whole library").last.click()
    page.get_by_role("searchbox").wait_for()
