"""A worker process as its parent sees it: the work that it has, and what is left when it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Sequence

from songloom.jobs.child_process import ChildProcess
from songloom.jobs.messages import (
    Cancel,
    Close,
    Command,
    Failed,
    Lost,
    Opened,
    Stopped,
    Succeeded,
    Work,
    WorkerReady,
    WorkerStats,
    WorkEvent,
    decode_event,
    encode,
)

START_SECONDS = 120.0
"""How long a process may be silent until it is ready, on a busy machine."""
CANCEL_SECONDS = 30.0
"""How long a worker may take to stop something before it is ended."""
_LOG = logging.getLogger(__name__)


class WorkerProcess:
    """A process, and the work that it has.

    Args:
        device: where it computes.
        command: that starts it.
        events: where its events go.
        isolated: whether it only does work that must not share a process; the device is ready, and
            measured, without it.
    """

    def __init__(
        self,
        device: str,
        command: Sequence[str],
        events: asyncio.Queue[WorkEvent | None],
        *,
        isolated: bool = False,
    ) -> None:
        self.device, self._command, self._events = device, command, events
        self._isolated = isolated
        self.work: dict[str, Work] = {}
        self.cancelled: dict[str, float] = {}
        self.ready = False
        self.idle = asyncio.Event()
        """Set while it has no work."""
        self.idle.set()
        self.lost_work = False
        """Whether work was being done when its process ended the last time."""
        self._opened: set[str] = set()  # of its work, what the process has turned to
        self._ending = False  # whether the process has said that it is about to end
        self._process: ChildProcess | None = None
        self._heard = 0.0

    async def run(self, hang_seconds: float | None) -> None:
        """Start the process, pass on its events, and tell its work lost once it is gone."""
        self.lost_work = False
        try:
            self._process = await ChildProcess.start(self._command, {"PYTHONUNBUFFERED": "1"})
        except OSError as error:
            _LOG.error("the worker of %s can't be started: %s", self.device, error)
            self._lose(f"the process that was to work on it could not be started ({error})")
            return
        self._heard = time.monotonic()
        for work in list(self.work.values()):
            await self.send(work)
        for id in list(self.cancelled):
            await self.send(Cancel(id))
        watch = asyncio.create_task(self._watch(hang_seconds))
        try:
            await self._pass_on(self._process)
        except ValueError as error:  # a line that is too long, or no message
            _LOG.error("the worker of %s can't be understood: %s", self.device, error)
        finally:
            watch.cancel()
            self.ready = False
            self.kill()
            code = await self._process.wait()
            self._process = None
            self._lose(f"the process that worked on it ended ({_describe_exit(code)})")

    async def give(self, work: Work, *, owns_process: bool = False) -> None:
        """Hand over work; a process that is only about to start is sent it then.

        Args:
            work: to be done.
            owns_process: whether the process is there for this work alone, and its end therefore
                the work's doing from the start.
        """
        self.work[work.id] = work
        if owns_process:
            self._opened.add(work.id)
        self.idle.clear()
        await self.send(work)

    async def send(self, command: Command) -> None:
        """Send a command; a process that is gone does not get it, and its work is told lost."""
        if self._process is not None:
            await self._process.send(encode(command))

    async def close(self) -> None:
        """Have the process end by itself, and wait until it has."""
        await self.send(Close())
        if self._process is not None:
            await self._process.wait()

    def kill(self) -> None:
        """End the process by force."""
        if self._process is not None:
            self._process.kill()

    async def _pass_on(self, process: ChildProcess) -> None:
        async for line in process.lines():
            self._heard = time.monotonic()
            event = decode_event(line)
            if isinstance(event, WorkerReady):
                self.ready = True
            if isinstance(event, Opened):
                self._opened.add(event.id)
                continue
            if isinstance(event, Lost) and event.process_ended:
                self._ending = True
            if isinstance(event, Succeeded | Failed | Stopped | Lost):
                self._forget(event.id)
            if not (self._isolated and isinstance(event, WorkerReady | WorkerStats)):
                self._events.put_nowait(event)

    def _forget(self, id: str) -> None:
        self.work.pop(id, None)
        self.cancelled.pop(id, None)
        self._opened.discard(id)
        if not self.work and not self._ending:  # or it would be given work that dies with it
            self.idle.set()

    async def _watch(self, hang_seconds: float | None) -> None:
        """End a process that hangs."""
        while True:
            await asyncio.sleep(1)
            moment = time.monotonic()
            limit = hang_seconds
            if limit is not None and not self.ready:
                limit = max(limit, START_SECONDS)
            if limit is not None and moment - self._heard > limit:
                _LOG.warning("the worker of %s hangs and is ended", self.device)
                self.kill()
            if any(moment - since > CANCEL_SECONDS for since in self.cancelled.values()):
                _LOG.warning("the worker of %s does not stop what it should", self.device)
                self.kill()

    def _lose(self, reason: str) -> None:
        """Report what becomes of the work: what the process had not turned to was never tried."""
        opened = set(self._opened)
        self.lost_work = bool(opened)
        shared = len(opened) > 1
        self._ending = False
        if not self.work:
            self.idle.set()
        for id in list(self.work):
            lost = id in opened and id not in self.cancelled
            self._events.put_nowait(Lost(id, reason, shared, True) if lost else Stopped(id))
            self._forget(id)


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, which the system sends when memory is short" if name == "SIGKILL" else name
