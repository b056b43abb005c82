"""Runs queued jobs: from the store to the executor, and back with its events.

The store is the truth: a job is accepted once it is written there, and what a process only
remembers (who waits, what is being fetched) can be lost with it. A new dispatcher goes on with what
it finds in the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from songloom.clock import utc_now
from songloom.errors import OutputError, SongloomError
from songloom.jobs.active_jobs import ActiveJob
from songloom.jobs.event_handler import EventHandler, Publish
from songloom.jobs.messages import (
    Executor,
    Work,
    WorkerFreed,
    WorkerGone,
    WorkerReady,
    WorkerStats,
    WorkEvent,
)
from songloom.jobs.store.records import KINDS, Job, JobKind
from songloom.jobs.store.store import Store

AT_ONCE = 8
"""Jobs of a kind whose inputs are fetched at the same time, before there is a place for them."""
LAST_WORDS_SECONDS = 1.0
"""How long the end of logs may take to be written when the server stops."""
_LOG = logging.getLogger(__name__)


class Dispatcher(EventHandler):
    """Runs what the store holds.

    Args:
        store: the jobs.
        executor: what runs them.
        prepare: fetches what a job's input names into its folder, and says what is to be done;
            a `SongloomError` of it fails the job.
        jobs_folder: where each job gets a folder.
        publish: given a job, its folder and its output, does what is to be done with its files
            and gives the output as it is then; a `SongloomError` of it fails the job.
        devices: names of the devices that must be ready before the server is.
        attempts: how often a job is begun when its worker is lost.
        queue_limit: jobs that may wait.
        owner: whose the models are that have no destination.
        on_owed: called when webhooks may be owed.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        prepare: Callable[[Job, Path], Awaitable[Work]],
        jobs_folder: Path,
        *,
        publish: Publish | None = None,
        devices: tuple[str, ...] = (),
        attempts: int = 3,
        queue_limit: int = 100,
        owner: str = "me",
        on_owed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            store, jobs_folder, publish=publish, attempts=attempts, owner=owner, on_owed=on_owed,
            on_deadline=self._cancel_soon,
        )  # fmt: skip
        self._executor, self._prepare = executor, prepare
        self._devices, self._queue_limit = devices, queue_limit
        self._cancelling: set[asyncio.Task[Job | None]] = set()
        self.draining = False
        """Whether the server is about to stop: nothing more is begun."""
        self._draining_since: float | None = None
        self.ready_at: datetime | None = None
        """When every device was ready for the first time."""
        self._ready_devices: set[str] = set()
        self.stats: dict[str, WorkerStats] = {}
        """The latest statistics of each device's worker."""
        self.devices: dict[str, WorkerReady] = {}
        """The description of each device's worker, from when it became ready."""
        self.on_stats: list[Callable[[WorkerStats], None]] = []
        """Called with what a worker measured."""

    @property
    def ready(self) -> bool:
        """Whether every device has a worker that can take work."""
        return not self.draining and self._ready_devices.issuperset(self._devices)

    # Called by the server's routes

    async def accept(self, job: Job) -> Job:
        """Store a job, which runs from then on whatever happens.

        Raises:
            QueueFullError: as many jobs as may wait do.
            DuplicateError: there is a job of that id.
            OutputError: it can't be written.
        """
        accepted = await self._call_store(self._store.add_job, job, limit=self._queue_limit)
        self._deadlines.watch(accepted)
        self._wake.set()
        return accepted

    async def cancel(self, id: str) -> Job | None:
        """Ask for a job to be stopped; one that still waits ends at once. None if unknown."""
        before = await self._call_store(self._store.job, id)
        if before is None or before.ended:
            return before
        job = await self._call_store(self._store.request_cancel, id)
        if job is None:  # it has ended meanwhile, and was deleted
            return None
        if job.ended:
            self._announce_end(job)
        else:
            if (active := self._active.get(id)) is not None:
                active.cancel_requested = True  # the executor may not know it yet
            await self._executor.cancel(id)
        return job

    async def resume(self, id: str) -> Job:
        """Let a job that was canceled, or failed, go on from what it had; others stay as they are.

        Raises:
            KeyError: there is no such job.
            OutputError: it can't be written.
        """
        job = await self._call_store(self._store.resume, id)
        self._wake.set()
        return job

    async def wait_until_ended(self, id: str, timeout: float | None) -> Job:
        """The job once it has ended, or as it is after `timeout` seconds.

        Raises:
            KeyError: there is no such job.
        """
        job: Job | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                async for event in self.watch(id):
                    job = event if isinstance(event, Job) else job
        return await self._job(id) if job is None or not job.ended else job

    async def watch(self, id: str) -> AsyncGenerator[WorkEvent | Job, None]:
        """Yield the job as it is now, then its events, and at last the job as it ended.

        Raises:
            KeyError: there is no such job.
        """
        with self._watchers.subscribe(id) as events:
            job = await self._job(id)
            yield job
            while not job.ended:
                event = await events.get()
                job = event if isinstance(event, Job) else job
                yield event

    async def listen(self, id: str) -> None:
        """Have a prediction's audio written while it is generated, where it runs already."""
        await self._executor.listen(id)

    # The work itself

    async def run(self) -> None:
        """Run jobs until cancelled; then the executor is closed and what ran waits again."""
        await self._recover()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._feed())
                group.create_task(self._handle_events())
                group.create_task(self._flush())
        finally:
            await asyncio.shield(self._close())

    def start_draining(self) -> None:
        """Begin nothing more; the time that what runs is given counts from now. From any thread."""
        self.draining = True
        if self._draining_since is None:
            self._draining_since = time.monotonic()

    async def stop_trainings(self) -> None:
        """Have trainings save their state and end; they wait for the next server then."""
        for id, active in list(self._active.items()):
            if active.submitted and active.kind == "training":
                await self._executor.cancel(id)

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and give what runs until `seconds` after draining started."""
        self.start_draining()
        assert self._draining_since is not None
        await self.stop_trainings()
        ends = self._draining_since + seconds
        while time.monotonic() < ends and any(active.submitted for active in self._active.values()):
            await asyncio.sleep(0.05)

    async def _recover(self) -> None:
        """Take up what a server left that was killed."""
        for job in await self._call_until_written(self._store.list_running):
            if job.cancel_requested:
                await self._call_until_written(self._store.finish, job.id, "canceled")
            else:
                await self._call_until_written(self._store.requeue, job.id, failed=False)
        for job in await self._call_until_written(self._store.list_waiting, self._queue_limit):
            self._deadlines.watch(job)
        self._wake.set()
        self._on_owed()

    async def _feed(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self.draining:
                continue
            for kind in KINDS:
                await self._prepare_next(kind)
            await self._submit_ready()

    async def _prepare_next(self, kind: JobKind) -> None:
        """Begin to prepare the oldest jobs of a kind, as many as may be at once."""
        known = [active for active in self._active.values() if active.kind == kind]
        # Isolated jobs wait for each other, and are in nobody else's way.
        more = AT_ONCE - sum(not active.submitted and not active.isolated for active in known)
        if more <= 0:
            return
        for job in await self._call_until_written(
            self._store.list_waiting, len(known) + more, kind
        ):
            if job.id not in self._active and more > 0:
                more -= 1
                active = self._active[job.id] = ActiveJob(kind, isolated=self._is_isolated(job))
                active.task = asyncio.create_task(self._prepare_job(job, active))

    async def _prepare_job(self, job: Job, active: ActiveJob) -> None:
        """Get a job's inputs; a failure is the job's."""
        folder = self.folder(job.id)
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            active.prepared = await self._prepare(job, folder)
        except SongloomError as error:
            await self._finish(job.id, "failed", error=str(error))
        except OSError as error:
            reason = f"its files can't be written ({error.strerror}); free some space on the server"
            await self._finish(job.id, "failed", error=reason)
        except Exception:
            _LOG.exception("preparing job %s went wrong", job.id)
            await self._finish(job.id, "failed", error="the server made a mistake; see its log")
        self._wake.set()

    async def _submit_ready(self) -> None:
        """Hand over what is prepared, oldest first, as far as there is room."""
        for id, active in list(self._active.items()):
            if active.prepared is None or active.submitted:
                continue
            if not active.isolated and not self._executor.free_slots(active.kind):
                continue
            active.submitted = True
            try:
                job = await self._call_until_written(self._store.begin, id)
            except KeyError:  # cancelled meanwhile, and deleted
                self._active.pop(id, None)
                continue
            if job.ended:  # cancelled meanwhile, and told of by who did
                self._active.pop(id, None)
                continue
            self._watchers.notify(id, job)
            self._on_owed()
            active.begin()
            await self._executor.submit(self._separate_suspect(job, active.prepared))
            if job.cancel_requested or active.cancel_requested:
                await self._executor.cancel(id)

    def _separate_suspect(self, job: Job, work: Work) -> Work:
        """Work that may have brought down what it shared with others, by itself."""
        lost = self._suspects.get(job.id)
        alone = work.alone or lost is not None
        return replace(work, alone=alone, isolated=self._active[job.id].isolated)

    async def _handle_events(self) -> None:
        async for event in self._executor.events():
            match event:
                case WorkerFreed():
                    self._wake.set()
                case WorkerGone(device):
                    self._ready_devices.discard(device)
                case WorkerReady(device):
                    self._ready_devices.add(device)
                    self.devices[device] = event
                    if self.ready and self.ready_at is None:
                        self.ready_at = utc_now()
                    self._wake.set()
                case WorkerStats(device):
                    self.stats[device] = event
                    for notify in self.on_stats:
                        notify(event)
                case _:
                    await self._handle_event(event)

    def _is_isolated(self, job: Job) -> bool:
        """Whether a job may have ended a process; one that an earlier server lost may have."""
        lost = self._suspects.get(job.id)
        ended = job.attempts > 0 if lost is None else lost.process_ended
        return job.kind == "prediction" and ended

    def _cancel_soon(self, id: str) -> None:
        task = asyncio.create_task(self.cancel(id))
        self._cancelling.add(task)  # or nothing would keep it
        task.add_done_callback(self._cancelling.discard)

    async def _close(self) -> None:
        """End the work; what had not ended is taken up by the next server."""
        self.start_draining()
        self._closing = True
        for active in self._active.values():
            if active.task is not None:
                active.task.cancel()
        self._deadlines.forget_all()
        await self._executor.close()
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                for id in list(self._active):
                    await self._write_log(id)
        except (OutputError, TimeoutError) as error:
            _LOG.error("the last lines of logs could not be written: %s", error)
