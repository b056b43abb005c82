"""Settings on the page: tokens, models, the machine, colours, and code for programs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import watched_page
from tests.browser.looking import DESKTOP, PHONE, faults, too_wide
from tests.server.server_process import ServerProcess, pretending

pytestmark = pytest.mark.browser


@pytest.fixture
def settings(browser: Any, server: ServerProcess) -> Iterator[Any]:
    with watched_page(browser, server.url, "/#/settings", **DESKTOP) as page:
        page.get_by_role("listitem", name="nano", exact=True).wait_for()
        yield page


def test_the_first_token_is_shown_once_and_remembered_here(browser: Any, tmp_path: Path) -> None:
    with (
        pretending(tmp_path) as server,
        watched_page(browser, server.url, "/#/settings/tokens", **DESKTOP) as page,
    ):
        page.watch.expect("status of 401")  # of what is under way when a token begins to be needed
        page.get_by_role("button", name="Create token").click()
        page.get_by_text("Enter a name first").wait_for()
        page.get_by_label("New token for").fill("laptop")
        page.get_by_label("New token for").press("Enter")
        dialog = page.get_by_role("dialog", name="Token for laptop")
        token = dialog.get_by_role("region", name="Token").inner_text()
        assert token.startswith("sl_")
        dialog.get_by_role("button", name="Done").click()
        page.get_by_role("listitem").filter(has_text="laptop").wait_for()
        assert server.client.get("/v1/tokens").status_code == 401
        page.reload()  # this browser has it
        page.get_by_role("button", name="Revoke laptop").click()
        page.get_by_role("dialog").get_by_role("button", name="Keep").click()
        page.get_by_text("Only people with one of these tokens").wait_for()


def test_a_licence_is_shown_before_a_download(settings: Any, server: ServerProcess) -> None:
    settings.get_by_role("button", name="Download small", exact=True).click()
    dialog = settings.get_by_role("dialog", name="Download small?")
    dialog.get_by_text("no commercial use").wait_for()
    settings.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    models = server.client.get("/v1/checkpoints").json()["results"]
    assert not any(model["download"] for model in models)


def test_the_machine_and_its_storage(settings: Any) -> None:
    settings.get_by_text(" used; ").wait_for()
    settings.get_by_text(re.compile("CPU, \\d+ thread")).wait_for()
    with settings.expect_download() as download:
        settings.get_by_role("link", name="Export everything").click()
    assert download.value.suggested_filename.endswith(".zip")


def test_colours_stay_as_they_were_chosen(settings: Any) -> None:
    choice = settings.get_by_role("group", name="Colours").last
    choice.get_by_role("radio", name="Dark").check()
    settings.reload()
    assert settings.evaluate("document.documentElement.dataset.theme") == "dark"
    choice.get_by_role("radio", name="Same as system").check()
    assert settings.evaluate("document.documentElement.dataset.theme") is None


def test_code_is_for_what_create_shows(settings: Any, server: ServerProcess) -> None:
    settings.goto(f"{server.url}/#/create")
    settings.get_by_role("textbox").first.fill("a 'slow' waltz")
    settings.goto(f"{server.url}/#/settings/programs")
    code = settings.get_by_role("region", name="Python code")
    code.wait_for()
    compile(code.inner_text(), "snippet", "exec")
    assert '"prompt": "a \'slow\' waltz"' in code.inner_text()
    settings.get_by_role("radio", name="curl").check()
    said = settings.get_by_role("region", name="curl code").inner_text()
    body = json.loads(said.split("-d '")[1].rstrip()[:-1].replace("'\\''", "'"))
    assert body["input"]["prompt"] == "a 'slow' waltz"
    assert f"curl {server.url}/v1/predictions" in said


def test_a_download_that_failed_speaks_to_musicians(settings: Any, server: ServerProcess) -> None:
    def fail(route: Any) -> None:
        answer = route.fetch().json()
        for model in answer["results"]:
            if model["name"] == "small":
                model["error"] = "[Errno -2] Name or service not known; HF_HUB_OFFLINE"
        route.fulfill(json=answer)

    settings.route("**/v1/checkpoints", fail)
    settings.goto(f"{server.url}/#/create")
    settings.goto(f"{server.url}/#/settings")
    small = settings.get_by_role("listitem", name="small", exact=True)
    small.get_by_text("small could not be downloaded. Check your internet connection").wait_for()
    engineers = small.get_by_text("HF_HUB_OFFLINE")
    assert not engineers.is_visible()
    small.get_by_text("Technical details").click()
    assert engineers.is_visible()


@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(
    browser: Any, server: ServerProcess, device: dict[str, Any], scheme: str
) -> None:
    with watched_page(browser, server.url, "/#/settings", color_scheme=scheme, **device) as page:
        page.get_by_role("listitem", name="nano", exact=True).wait_for()
        page.get_by_text(" used; ").wait_for()
        assert faults(page) == []
        assert too_wide(page) == []
