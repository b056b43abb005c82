"""Models on their way, fetched by processes that only pretend."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import pytest

from songloom.server.processes.downloads import EVERY, Download, Downloads
from tests.waiting import wait_until_async

HALF = 'import sys, time; print(\'{"done": 5, "total": 10}\', flush=True)'
SCRIPTS = {
    "whole": f'{HALF}; print(\'{{"done": 10, "total": 10}}\')',
    "endless": f"{HALF}; time.sleep(600)",
    "refused": f'{HALF}; print(\'{{"error": "no room"}}\'); sys.exit(1)',
    "broken": f"{HALF}; sys.exit(7)",
}


def run(script: str, what: Callable[[Downloads], Awaitable[None]]) -> None:
    async def inner() -> None:
        downloads = Downloads((sys.executable, "-c", SCRIPTS[script]))
        try:
            await what(downloads)
        finally:
            await downloads.close()
            assert downloads.running == {}

    asyncio.run(inner())


def test_a_model_arrives() -> None:
    async def what(downloads: Downloads) -> None:
        with downloads.watchers.subscribe(EVERY) as changes:
            downloads.start("small")
            assert downloads.running == {"small": Download(0, 0)}
            downloads.start("small")  # which changes nothing
            await wait_until_async(lambda: not downloads.running)
        assert [changes.get_nowait() for _ in range(changes.qsize())] == ["small"] * 4
        assert downloads.errors == {}

    run("whole", what)


def test_one_that_is_stopped_is_no_failure() -> None:
    async def what(downloads: Downloads) -> None:
        downloads.start("small")
        await wait_until_async(lambda: downloads.running["small"] == Download(5, 10))
        await downloads.cancel("small")
        assert (downloads.running, downloads.errors) == ({}, {})
        await downloads.cancel("small")
        downloads.start("small")
        await downloads.cancel("small")  # before it has begun
        assert (downloads.running, downloads.errors) == ({}, {})
        downloads.start("medium")  # and one is left for the end

    run("endless", what)


@pytest.mark.parametrize(("script", "error"), [("refused", "no room"), ("broken", "broke off")])
def test_what_failed_is_remembered_until_the_next_try(script: str, error: str) -> None:
    async def what(downloads: Downloads) -> None:
        downloads.start("small")
        await wait_until_async(lambda: not downloads.running)
        assert error in downloads.errors["small"]
        downloads.start("small")
        assert downloads.errors == {}

    run(script, what)
