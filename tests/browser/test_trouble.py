"""A server that asks who one is, goes away in the middle of its work, and comes back."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import watched_page
from tests.server.processes import serving

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
            asked.get_by_text("not known here").wait_for()
            asked.get_by_label("Token").fill(TOKEN)
            asked.get_by_role("button", name="Continue").click()
            page.get_by_label("Describe the music").fill("one bell")
            page.get_by_label(re.compile("How long")).press("End")
            page.get_by_role("button", name="Create", exact=True).click()
            page.get_by_text(re.compile("of 180 seconds")).wait_for()
            server.kill()
            page.get_by_role("link", name="Library", exact=True).click()
            banner = page.get_by_text("songloom does not answer.").first
            banner.wait_for()
            assert "songloom serve" in page.get_by_role("alert").first.inner_text()
            port = url.rpartition(":")[2]
            with serving(tmp_path, "--devices", "cpu", "--port", port, tokens=token):
                banner.wait_for(state="detached")
                page.reload()
                row = page.locator(".library-row").filter(has_text="one bell")
                row.get_by_text(re.compile("Waiting|Being made")).wait_for()
                row.get_by_role("button", name="Stop one bell").click()
                row.get_by_text("Stopped").wait_for()
            assert not asked.is_visible()
