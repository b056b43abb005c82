"""A server that asks who one is, goes away in the middle of its work, and comes back."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import watched_page
from tests.server.server_process import pretending, serving

pytestmark = pytest.mark.browser
TOKEN = "a-token-of-the-tests"


def test_the_page_outlives_its_server(browser: Any, tmp_path: Path) -> None:
    token = f"me:{TOKEN}"
    with serving(tmp_path, "--devices", "cpu", tokens=token) as server:
        url = server.url
        with watched_page(browser, url) as page:
            page.watch.expect("status of 401", "ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE")
            page.watch.expect("ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")
            asked = page.get_by_role("dialog")
            asked.get_by_label("Token").fill("a wrong one")
            asked.get_by_role("button", name="Continue").click()
            asked.get_by_text("not valid here").wait_for()
            asked.get_by_label("Token").fill(TOKEN)
            asked.get_by_role("button", name="Continue").click()
            page.get_by_label("Describe the music").fill("one bell")
            page.get_by_label(re.compile("^(Total l|L)ength$")).press("End")
            page.get_by_role("button", name="Create", exact=True).click()
            page.get_by_text(re.compile("of 180 seconds")).wait_for()
            server.kill()
            page.get_by_role("link", name="Library", exact=True).click()
            banner = page.get_by_text("songloom is not responding.").first
            banner.wait_for()
            assert "songloom serve" in page.get_by_role("alert").first.inner_text()
            port = url.rpartition(":")[2]
            with serving(tmp_path, "--devices", "cpu", "--port", port, tokens=token):
                banner.wait_for(state="detached")
                page.reload()
                row = page.locator(".library-row").filter(has_text="one bell")
                row.get_by_text(re.compile("Waiting|In progress")).wait_for()
                row.get_by_role("button", name="Cancel one bell").click()
                row.get_by_text("Cancelled").wait_for()
            assert not asked.is_visible()


def test_a_view_that_was_not_fetched_yet_waits_for_the_server(browser: Any, tmp_path: Path) -> None:
    with (
        pretending(tmp_path) as server,
        watched_page(browser, server.url) as page,
    ):
        page.watch.expect("ERR_INTERNET_DISCONNECTED", "dynamically imported module")
        page.get_by_label("Describe the music").fill("waltz")
        page.wait_for_load_state("networkidle")
        page.context.set_offline(True)
        page.get_by_role("link", name="Settings", exact=True).click()
        page.get_by_text("songloom is not responding.").first.wait_for()
        assert page.get_by_text("could not be shown").count() == 0
        page.context.set_offline(False)
        page.get_by_role("heading", name="Settings", level=1).wait_for()
        page.get_by_text("songloom is not responding.").first.wait_for(state="hidden")


def test_the_box_about_an_unsent_request_goes_when_the_server_is_back(
    browser: Any, tmp_path: Path
) -> None:
    with (
        pretending(tmp_path) as server,
        watched_page(browser, server.url) as page,
    ):
        page.watch.expect("ERR_INTERNET_DISCONNECTED")
        page.get_by_label("Describe the music").fill("waltz")
        page.wait_for_load_state("networkidle")
        page.context.set_offline(True)
        page.get_by_role("button", name="Create", exact=True).click()
        unsent = page.get_by_text("Your request was not sent")
        unsent.wait_for()
        page.context.set_offline(False)
        unsent.wait_for(state="hidden")
        assert page.get_by_label("Describe the music").input_value() == "waltz"
