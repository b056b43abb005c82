"""The page in a real browser, on a real server with the embedded model."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.browser.watching import Watch
from tests.chromium import chromium
from tests.server.processes import ServerProcess, serving

PATIENCE = 30_000
"""Milliseconds that something in the page may take, on a busy machine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Music is played without a click of a person.
    with chromium("--autoplay-policy=no-user-gesture-required", "--mute-audio") as browser:
        yield browser


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with nano, for all tests that leave it as it was, apart from what they add."""
    with serving(tmp_path_factory.mktemp("songloom"), "--devices", "cpu") as server:
        yield server


@contextmanager
def watched_page(browser: Any, url: str, path: str = "/", **options: Any) -> Iterator[Any]:
    """A page of a server in a tab with nothing of earlier ones, where nothing goes wrong.

    `page.watch.expect` names what a test makes go wrong. Options are of the browser's context.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    watch = Watch(context, url)
    page = context.new_page()
    page.watch = watch
    try:
        page.goto(url + path)
        yield page
        page.close()
        assert watch.unexpected() == []
    finally:
        context.close()


@pytest.fixture
def opened(browser: Any, server: ServerProcess) -> Iterator[Callable[..., Any]]:
    """Opens the page: `opened("#/library", **options of the browser's context)`."""
    with ExitStack() as stack:

        def open_page(view: str = "", **options: Any) -> Any:
            return stack.enter_context(watched_page(browser, server.url, f"/{view}", **options))

        yield open_page
