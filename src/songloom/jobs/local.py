"""The executor of one machine: a process per device that predicts, and one per training.

Whatever happens to a process, by a crash, a hang or the system's memory killer, its work is told
lost and another process takes its place; the server itself is not touched.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from songloom.jobs.executor import (
    Failed,
    Lost,
    Stopped,
    Succeeded,
    Work,
    WorkerFreed,
    WorkerGone,
    WorkerReady,
    WorkEvent,
)
from songloom.jobs.records import Kind
from songloom.jobs.wire import Cancel, Close, Command, Listen, decode_event, encode

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a worker that died is started anew: the first time, and at most."""
START_SECONDS = 120.0
"""How long a process may be silent until it is ready, on a busy machine."""
CANCEL_SECONDS = 30.0
"""How long a worker may take to stop something before it is ended."""
CLOSE_SECONDS = 20.0
"""How long a training may take to save its state when the server stops."""
LINE_LIMIT = 1 << 22
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has but one way
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalSettings:
    """How worker processes are set up."""

    devices: tuple[str, ...]
    """Torch names of the devices; each gets a worker."""
    turns: Path
    """Folder of the locks by which processes share a device."""
    model: str = "nano"
    """Loaded at the start."""
    dtype: str = "auto"
    max_batch: int = 16
    hang_seconds: float = 300.0


class LocalExecutor:
    """See `executor.Executor`; call `start` first, in the event loop that it is used in."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._events: asyncio.Queue[WorkEvent | None] = asyncio.Queue()
        self._predictors = [self._predictor(device) for device in settings.devices]
        self._trainers: dict[str, _Worker] = {}  # by device
        self._keepers: list[asyncio.Task[None]] = []
        self._closed = False

    async def start(self) -> None:
        """Start the workers; `WorkerReady` tells of each that can take work."""
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in self._predictors]

    def free(self, kind: Kind) -> int:
        """How much more work of a kind would begin at once."""
        if self._closed:
            return 0
        if kind == "training":
            return len(self._settings.devices) - len(self._trainers)
        return sum(self._room(worker) for worker in self._predictors)

    async def submit(self, work: Work) -> None:
        """Take work; what becomes of it is told by `events`."""
        if work.kind == "training":
            device = next(d for d in self._settings.devices if d not in self._trainers)
            command = [sys.executable, "-m", "songloom.jobs.training_worker"]
            command += ["--device", device, "--turns", str(self._settings.turns)]
            request = dict(work.request) | {"device": device}
            worker = self._trainers[device] = _Worker(device, command, self._events)
            worker.work[work.id] = replace(work, request=request)
            self._keepers.append(asyncio.create_task(self._train(worker)))
            return
        await max(self._predictors, key=self._room).give(work)

    async def cancel(self, id: str) -> None:
        """Stop work soon; a worker that does not stop it in time is ended."""
        for worker in self._workers():
            if id in worker.work:
                worker.cancelled.setdefault(id, time.monotonic())
                await worker.send(Cancel(id))

    async def listen(self, id: str) -> None:
        """Write audio to the work's stream file while it is generated."""
        for worker in self._workers():
            if id in worker.work:
                await worker.send(Listen(id))

    async def events(self) -> AsyncIterator[WorkEvent]:
        """What happens, until the executor is closed; for one reader."""
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        """End all processes; running trainings save their state first."""
        self._closed = True
        for worker in self._workers():
            await worker.send(Close())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(worker.ended() for worker in self._workers()))
        for worker in self._workers():
            worker.kill()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._events.put_nowait(None)

    def _workers(self) -> list[_Worker]:
        return [*self._predictors, *self._trainers.values()]

    def _room(self, worker: _Worker) -> int:
        return self._settings.max_batch - len(worker.work) if worker.ready else 0

    def _predictor(self, device: str) -> _Worker:
        settings = self._settings
        command = [sys.executable, "-m", "songloom.jobs.worker", "--device", device]
        command += ["--dtype", settings.dtype, "--model", settings.model]
        command += ["--max-batch", str(settings.max_batch), "--turns", str(settings.turns)]
        command += ["--hang-seconds", str(settings.hang_seconds)]
        return _Worker(device, command, self._events)

    async def _keep(self, worker: _Worker) -> None:
        """Run a worker for ever; one that dies again and again is started ever less often."""
        pause = FIRST_PAUSE
        while not self._closed:
            began = time.monotonic()
            await worker.run(self._settings.hang_seconds)
            self._events.put_nowait(WorkerGone(worker.device))
            pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else 2 * pause
            await asyncio.sleep(min(pause, LONGEST_PAUSE))

    async def _train(self, worker: _Worker) -> None:
        try:
            # Preparing songs, and long updates, give no sign of life for a long time.
            await worker.run(hang_seconds=None)
        finally:
            del self._trainers[worker.device]
            self._events.put_nowait(WorkerFreed(worker.device))


class _Worker:
    """A process, and the work that it has.

    Args:
        device: where it computes.
        command: that starts it.
        events: where its events go.
    """

    def __init__(
        self, device: str, command: Sequence[str], events: asyncio.Queue[WorkEvent | None]
    ) -> None:
        self.device, self._command, self._events = device, command, events
        self.work: dict[str, Work] = {}
        self.cancelled: dict[str, float] = {}
        self.ready = False
        self._process: Process | None = None
        self._heard = 0.0

    async def run(self, hang_seconds: float | None) -> None:
        """Start the process, pass on its events, and tell its work lost once it is gone."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, limit=LINE_LIMIT, env=environment
        )
        self._heard = time.monotonic()
        for work in list(self.work.values()):
            await self.send(work)
        for id in list(self.cancelled):
            await self.send(Cancel(id))
        watch = asyncio.create_task(self._watch(hang_seconds))
        try:
            await self._pass_on(self._process)
        finally:
            watch.cancel()
            self.ready = False
            self.kill()
            code = await self._process.wait()
            self._process = None
            self._lose(code)

    async def give(self, work: Work) -> None:
        """Hand over work."""
        self.work[work.id] = work
        await self.send(work)

    async def send(self, command: Command) -> None:
        """Send a command; a process that is gone does not get it, and its work is told lost."""
        process = self._process
        if process is None or process.stdin is None:
            return
        with suppress(ConnectionError, RuntimeError):
            process.stdin.write(encode(command))
            await process.stdin.drain()

    async def ended(self) -> None:
        """Wait for the end of the process."""
        if self._process is not None:
            await self._process.wait()

    def kill(self) -> None:
        """End the process by force."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                # Not the process's own method: it may reap the process before asyncio does.
                os.kill(self._process.pid, _KILL)

    async def _pass_on(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._heard = time.monotonic()
            event = decode_event(line)
            if isinstance(event, WorkerReady):
                self.ready = True
            if isinstance(event, Succeeded | Failed | Stopped | Lost):
                self.work.pop(event.id, None)
                self.cancelled.pop(event.id, None)
            self._events.put_nowait(event)

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

    def _lose(self, code: int) -> None:
        reason = f"the process that worked on it ended ({_in_words(code)})"
        for id in list(self.work):
            del self.work[id]
            self._events.put_nowait(Stopped(id) if id in self.cancelled else Lost(id, reason))
        self.cancelled.clear()


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, which the system sends when memory is short" if name == "SIGKILL" else name
