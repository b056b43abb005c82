"""The executor of one machine: a process per device that predicts, and one per training.

When a process crashes, hangs or is killed for its memory, its work is reported as lost and another
process takes its place; the server itself is not affected.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from songloom.jobs.messages import Cancel, Listen, Stopped, Work, WorkerFreed, WorkerGone, WorkEvent
from songloom.jobs.store.records import JobKind
from songloom.jobs.worker_process import WorkerProcess

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a worker that died is started anew: the first time, and at most."""
CLOSE_SECONDS = 3.0
"""How long processes may take to exit once asked; trainings were asked before."""
ISOLATION_SECONDS = 60.0
"""How long the process for isolated work waits for more before it is ended."""


@dataclass(frozen=True)
class SupervisorSettings:
    """How worker processes are set up."""

    devices: tuple[str, ...]
    """Torch names of the devices; each gets a worker."""
    locks: Path
    """Folder of the locks by which processes share a device."""
    model: str = "nano"
    """Loaded at the start."""
    dtype: str = "auto"
    max_batch: int = 16
    hang_seconds: float = 300.0


class Supervisor:
    """See `messages.Executor`; call `start` first, in the event loop that it is used in."""

    def __init__(self, settings: SupervisorSettings) -> None:
        self._settings = settings
        self._events: asyncio.Queue[WorkEvent | None] = asyncio.Queue()
        self._predictors = [self._predictor(device) for device in settings.devices]
        self._isolated = self._predictor(settings.devices[0], isolated=True)
        self._suspects: list[Work] = []  # that wait to be done in the isolated process
        self._suspected = asyncio.Event()
        self._trainers: dict[str, WorkerProcess] = {}  # by device
        self._keepers: list[asyncio.Task[None]] = []
        self._closed = False

    async def start(self) -> None:
        """Start the workers; `WorkerReady` reports each that can take work."""
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in self._predictors]
        self._keepers.append(asyncio.create_task(self._isolate()))

    def free_slots(self, kind: JobKind) -> int:
        """How many more jobs of a kind could start at once."""
        if self._closed:
            return 0
        if kind == "training":
            return len(self._settings.devices) - len(self._trainers)
        return sum(self._room(worker) for worker in self._predictors)

    async def submit(self, work: Work) -> None:
        """Accept work, whose outcome `events` reports."""
        if work.kind == "training":
            device = next(d for d in self._settings.devices if d not in self._trainers)
            command = [sys.executable, "-m", "songloom.jobs.workers.training"]
            command += ["--device", device, "--locks", str(self._settings.locks)]
            request = dict(work.request) | {"device": device}
            worker = self._trainers[device] = WorkerProcess(device, command, self._events)
            await worker.give(replace(work, request=request), owns_process=True)
            self._keepers.append(asyncio.create_task(self._train(worker)))
        elif work.isolated:
            self._suspects.append(work)
            self._suspected.set()
        else:
            await max(self._predictors, key=self._room).give(work)

    async def cancel(self, id: str) -> None:
        """Stop work soon; a worker that does not stop it in time is ended."""
        if any(work.id == id for work in self._suspects):
            self._suspects = [work for work in self._suspects if work.id != id]
            self._events.put_nowait(Stopped(id))
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
        """Yield events until the executor is closed; for one reader."""
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        """End all processes; running trainings save their state first."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):  # one that hangs does not even listen
                await asyncio.gather(*(worker.close() for worker in self._workers()))
        self.kill()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._events.put_nowait(None)

    def kill(self) -> None:
        """End all processes by force."""
        for worker in self._workers():
            worker.kill()

    def _workers(self) -> list[WorkerProcess]:
        return [*self._predictors, self._isolated, *self._trainers.values()]

    def _room(self, worker: WorkerProcess) -> int:
        return self._settings.max_batch - len(worker.work) if worker.ready else 0

    def _predictor(self, device: str, *, isolated: bool = False) -> WorkerProcess:
        settings = self._settings
        command = [sys.executable, "-m", "songloom.jobs.workers.prediction", "--device", device]
        command += ["--dtype", settings.dtype, "--model", settings.model]
        command += ["--max-batch", str(settings.max_batch), "--locks", str(settings.locks)]
        command += ["--hang-seconds", str(settings.hang_seconds)]
        return WorkerProcess(device, command, self._events, isolated=isolated)

    async def _keep(self, worker: WorkerProcess) -> None:
        """Run a worker for ever; one that dies without work is started ever less often."""
        pause = FIRST_PAUSE
        while not self._closed:
            began = time.monotonic()
            await worker.run(self._settings.hang_seconds)
            self._events.put_nowait(WorkerGone(worker.device))
            lasted = time.monotonic() - began > LONGEST_PAUSE
            pause = FIRST_PAUSE if lasted or worker.lost_work else 2 * pause
            await asyncio.sleep(min(pause, LONGEST_PAUSE))

    async def _isolate(self) -> None:
        """Do isolated work, one piece after the other, in a process that is there while needed."""
        running: asyncio.Task[None] | None = None
        while True:
            try:
                async with asyncio.timeout(None if running is None else ISOLATION_SECONDS):
                    await self._suspected.wait()
            except TimeoutError:
                self._isolated.kill()  # it has nothing that would be worth saving
                assert running is not None
                await running
                running = None
                continue
            while self._suspects:
                await self._isolated.give(self._suspects.pop(0), owns_process=True)
                if running is None or running.done():
                    running = asyncio.create_task(self._isolated.run(self._settings.hang_seconds))
                await self._isolated.idle.wait()
            self._suspected.clear()

    async def _train(self, worker: WorkerProcess) -> None:
        try:
            # Preparing songs, and long updates, give no sign of life for a long time.
            await worker.run(hang_seconds=None)
        finally:
            del self._trainers[worker.device]
            self._events.put_nowait(WorkerFreed(worker.device))
