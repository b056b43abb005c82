"""The page in a real browser, on a real server with the embedded model."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.watching import Watch
from tests.chromium import chromium
from tests.server.server_process import ServerProcess, serving
from tests.waiting import PATIENCE

MILLISECONDS = 1000 * PATIENCE
"""Of waiting for something in the page."""


BROWSER = pytest.StashKey[tuple[Any, ExitStack]]()


@pytest.fixture
def browser(pytestconfig: pytest.Config) -> Any:
    """A browser for all tests of this folder that run after one another."""
    if BROWSER not in pytestconfig.stash:
        stack = ExitStack()
        # Music is played without a click of a person.
        arguments = ("--autoplay-policy=no-user-gesture-required", "--mute-audio")
        pytestconfig.stash[BROWSER] = (stack.enter_context(chromium(*arguments)), stack)
    return pytestconfig.stash[BROWSER][0]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the browser before a test that is not of this folder, which its event loop would bar."""
    stays = nextitem is not None and nextitem.path.parent == Path(__file__).parent
    if not stays and BROWSER in item.config.stash:
        item.config.stash[BROWSER][1].close()
        del item.config.stash[BROWSER]
        IDLE_TABS.clear()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with nano, for all tests that leave it as it was, apart from what they add."""
    with serving(tmp_path_factory.mktemp("songloom"), "--devices", "cpu") as server:
        yield server


LONG_TIMERS = """
(() => {
  const [start, stop, held] = [setTimeout.bind(window), clearTimeout.bind(window), new Map()];
  window.setTimeout = (act, after, ...given) => {
    if (!(after >= 10000)) return start(act, after, ...given);
    const id = start(() => {}, 0);
    held.set(id, () => act(...given));
    return id;
  };
  window.clearTimeout = id => { held.delete(id); stop(id); };
  window.endLongTimers = () => { for (const act of [...held.values()]) act(); held.clear(); };
})();
"""
"""Offers to undo end when a test says so by `endLongTimers()`, and not while it is kept waiting."""


IDLE_TABS: dict[str, Any] = {}
"""Empty tabs by their options: opening the page in one takes a third of a new tab's time."""


@contextmanager
def watched_page(
    browser: Any,
    url: str,
    path: str = "/",
    script: str = "",
    *,
    keeps_cache: bool = True,
    **options: Any,
) -> Iterator[Any]:
    """A page of a server in a tab with nothing of earlier ones, where nothing goes wrong.

    `page.watch.expect` names what a test makes go wrong.

    Args:
        browser: of playwright.
        url: of the server.
        path: of the page, with the view.
        script: that runs before those of the page.
        keeps_cache: whether the tab may have fetched parts of the page before.
        options: of the browser's context.
    """
    key = repr((script, sorted(options.items())))
    page = (IDLE_TABS.pop(key, None) if keeps_cache else None) or open_tab(browser, script, options)
    page.watch.start(url)
    try:
        page.goto(url + path)
        yield page
        empty_tab(page, url)
        assert page.watch.unexpected() == []
    except BaseException:
        page.context.close()
        raise
    if key in IDLE_TABS:
        page.context.close()
    else:
        IDLE_TABS[key] = page


def open_tab(browser: Any, script: str, options: dict[str, Any]) -> Any:
    context = browser.new_context(**options)
    if script:
        context.add_init_script(script)
    context.set_default_timeout(MILLISECONDS)
    watch = Watch(context)
    page = context.new_page()
    page.watch = watch
    return page


def empty_tab(page: Any, url: str) -> None:
    """Leave the page, and nothing that it or a test has changed in its tab."""
    context = page.context
    context.set_offline(False)
    page.goto("about:blank")
    page.unroute_all(behavior="ignoreErrors")
    for other in context.pages:
        if other != page:
            other.close()
    tools = context.new_cdp_session(page)
    tools.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"})
    tools.detach()


@pytest.fixture
def opened(browser: Any, server: ServerProcess) -> Iterator[Callable[..., Any]]:
    """Opens the page: `opened("#/library", **options of the browser's context)`."""
    with ExitStack() as stack:

        def open_page(view: str = "", **options: Any) -> Any:
            return stack.enter_context(watched_page(browser, server.url, f"/{view}", **options))

        yield open_page
