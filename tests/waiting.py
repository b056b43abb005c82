"""Waiting for what other threads, processes and pages do, however busy the machine is."""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds after which something that should have happened has not, on the busiest machine."""


def wait_until(met: Callable[[], object]) -> None:
    """Wait for something to be so."""
    ends = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < ends, "what should have happened has not"
        time.sleep(0.005)


async def wait_until_async(met: Callable[[], object]) -> None:
    """Wait for something to be so while the event loop goes on."""
    async with asyncio.timeout(PATIENCE):
        while not met():
            await asyncio.sleep(0.005)
