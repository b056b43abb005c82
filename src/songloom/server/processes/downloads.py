"""Models on their way to this machine, each fetched by a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from songloom.jobs.active_jobs import Watchers
from songloom.jobs.child_process import ChildProcess

EVERY = ""
"""Key of watchers of every model."""


@dataclass(frozen=True)
class Download:
    """How far a model is."""

    done: int = 0
    """Bytes."""
    total: int = 0
    """Bytes; 0 while that is not known."""


class Downloads:
    """Fetches models, and tells how far they are.

    Args:
        command: that fetches the model which is named behind it.
    """

    def __init__(
        self, command: Sequence[str] = (sys.executable, "-m", "songloom.jobs.workers.download")
    ) -> None:
        self._command = command
        self._tasks: dict[str, asyncio.Task[str | None]] = {}
        self.running: dict[str, Download] = {}
        """Those under way, by the models' names."""
        self.errors: dict[str, str] = {}
        """Why the last try failed, by the models' names."""
        self.watchers = Watchers[str]()
        """Told the name of each model about which something has changed, as `EVERY`."""

    def start(self, name: str) -> None:
        """Begin to fetch a model, or go on where it was left; one that is under way goes on."""
        if name in self._tasks:
            return
        self.errors.pop(name, None)
        self.running[name] = Download()
        task = self._tasks[name] = asyncio.create_task(self._fetch(name))
        task.add_done_callback(lambda task: self._finish(name, task))
        self.notify(name)

    async def cancel(self, name: str) -> None:
        """Stop fetching a model; what has arrived is kept, for the next time."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def close(self) -> None:
        """Stop all."""
        for name in list(self._tasks):
            await self.cancel(name)

    def notify(self, name: str) -> None:
        """Let those know who watch."""
        self.watchers.notify(EVERY, name)

    def _finish(self, name: str, task: asyncio.Task[str | None]) -> None:
        self.running.pop(name, None)
        self._tasks.pop(name, None)
        error = None if task.cancelled() else task.result()
        if error is not None:
            self.errors[name] = error
        self.notify(name)

    async def _fetch(self, name: str) -> str | None:
        """Run the process to its end; why it failed, if so."""
        process = await ChildProcess.start([*self._command, name])
        error = None
        try:
            async for line in process.lines():
                told = json.loads(line)
                error = told.get("error", error)
                if "total" in told:
                    self.running[name] = Download(told["done"], told["total"])
                    self.notify(name)
            code = await process.wait()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if code == 0 or error is not None:
            return error
        return f"the download of {name!r} broke off; try again, and it goes on where it was"
