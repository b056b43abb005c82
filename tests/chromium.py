"""The Chromium that this machine has, driven by playwright; tests are skipped without either."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.tools import find_chromium

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium(*further: str) -> Iterator[Any]:
    """A browser for the length of a block.

    Playwright keeps an event loop for as long as it runs, in which other tests of the same process
    could start none; so a browser must end before those.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium was found (CHROMIUM may name one)")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=program, args=[*ARGUMENTS, *further])
        yield browser
        browser.close()
