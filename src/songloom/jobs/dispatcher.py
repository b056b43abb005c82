"""From the queue to the executor, and from what that tells to the store and to whoever waits.

The store is the truth: a job is accepted once it is written there, and what a process only
remembers (who waits, what is being fetched) can be lost with it. A new dispatcher goes on with what
it finds in the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from songloom.errors import OutputError, SongloomError
from songloom.jobs.executor import (
    Executor,
    Failed,
    Logged,
    Lost,
    Previewed,
    Progressed,
    Started,
    Stopped,
    Succeeded,
    Work,
    WorkerReady,
    WorkerStats,
    WorkEvent,
)
from songloom.jobs.progress_lines import progress_line
from songloom.jobs.records import Job, Kind, Status, Version, now
from songloom.jobs.store import Store

P = ParamSpec("P")
R = TypeVar("R")

AT_ONCE = 8
"""Jobs of a kind whose inputs are fetched at the same time, before there is a place for them."""
FLUSH_SECONDS = 0.5
"""Between writings of a job's log."""
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 30.0
"""Between two tries to write what has happened."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOG = logging.getLogger(__name__)


@dataclass
class _Running:
    """What is remembered of a job while it is prepared or runs."""

    kind: Kind
    began: float = field(default_factory=time.monotonic)
    shown: float = 0.0  # when progress was last logged
    lines: list[str] = field(default_factory=list)  # not yet in the store
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)  # lines, in their order
    prepared: Work | None = None
    task: asyncio.Task[None] | None = None
    submitted: bool = False


class Dispatcher:
    """Runs what the store holds.

    Args:
        store: the jobs.
        executor: what runs them.
        prepare: fetches what a job's input names into its folder, and says what is to be done;
            a `SongloomError` of it fails the job.
        jobs_folder: where each job gets a folder.
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
        devices: tuple[str, ...] = (),
        attempts: int = 3,
        queue_limit: int = 100,
        owner: str = "me",
        on_owed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._executor, self._prepare = store, executor, prepare
        self._folder, self._devices = jobs_folder, devices
        self._attempts, self._queue_limit, self._owner = attempts, queue_limit, owner
        self._on_owed = on_owed
        self._live: dict[str, _Running] = {}
        self._watchers: defaultdict[str, set[asyncio.Queue[WorkEvent | Job]]] = defaultdict(set)
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        self._cancelling: set[asyncio.Task[Job | None]] = set()
        self._wake = asyncio.Event()
        self._draining = False
        self._ready_devices: set[str] = set()
        self.stats: dict[str, WorkerStats] = {}
        """What the workers measured last, by device."""

    @property
    def ready(self) -> bool:
        """Whether every device has a worker that can take work."""
        return not self._draining and self._ready_devices.issuperset(self._devices)

    def folder(self, id: str) -> Path:
        """A job's folder; ids that clients choose are no paths."""
        name = id if _PLAIN_ID.fullmatch(id) else hashlib.sha256(id.encode()).hexdigest()
        return self._folder / name

    # What routes ask for

    async def accept(self, job: Job) -> Job:
        """Store a job, which runs from then on whatever happens.

        Raises:
            QueueFullError: as many jobs as may wait do.
            DuplicateError: there is a job of that id.
            OutputError: it can't be written.
        """
        accepted = await self._stored(self._store.add_job, job, limit=self._queue_limit)
        self._watch_deadline(accepted)
        self._wake.set()
        return accepted

    async def cancel(self, id: str) -> Job | None:
        """Ask for a job to be stopped; one that still waits ends at once. None if unknown."""
        job = await self._stored(self._store.request_cancel, id)
        if job is None:
            return None
        if job.ended:
            self._ended(job)
        else:
            await self._executor.cancel(id)
        return job

    async def finished(self, id: str, timeout: float | None) -> Job:
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

    async def watch(self, id: str) -> AsyncIterator[WorkEvent | Job]:
        """What happens to a job: itself as it is now, then events; itself as it ended comes last.

        Raises:
            KeyError: there is no such job.
        """
        events: asyncio.Queue[WorkEvent | Job] = asyncio.Queue()
        self._watchers[id].add(events)
        try:
            job = await self._job(id)
            yield job
            while not job.ended:
                event = await events.get()
                job = event if isinstance(event, Job) else job
                yield event
        finally:
            self._watchers[id].discard(events)
            if not self._watchers[id]:
                del self._watchers[id]

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
                group.create_task(self._hear())
                group.create_task(self._flush())
        finally:
            await asyncio.shield(self._close())

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and give what runs some time; trainings are saved, not awaited."""
        self._draining = True
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and any(
            live.submitted and live.kind == "prediction" for live in self._live.values()
        ):
            await asyncio.sleep(0.05)

    async def _recover(self) -> None:
        """Take up what a server left that was killed."""
        for job in await self._persisted(self._store.running):
            if job.cancel_requested:
                await self._persisted(self._store.finish, job.id, "canceled")
            else:
                await self._persisted(self._store.put_back, job.id)
        for job in await self._persisted(self._store.waiting, self._queue_limit):
            self._watch_deadline(job)
        self._wake.set()
        self._on_owed()

    async def _feed(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._draining:
                continue
            for job in await self._persisted(self._store.waiting, self._queue_limit):
                preparing = sum(
                    live.kind == job.kind and not live.submitted for live in self._live.values()
                )
                if job.id not in self._live and preparing < AT_ONCE:
                    live = self._live[job.id] = _Running(job.kind)
                    live.task = asyncio.create_task(self._prepared(job, live))
            await self._submit_ready()

    async def _prepared(self, job: Job, live: _Running) -> None:
        """Get a job's inputs; a failure is the job's."""
        folder = self.folder(job.id)
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            live.prepared = await self._prepare(job, folder)
        except SongloomError as error:
            await self._finish(job.id, "failed", error=str(error))
        except OSError as error:
            reason = f"its files can't be written ({error.strerror}); free some room on the server"
            await self._finish(job.id, "failed", error=reason)
        except Exception:
            _LOG.exception("preparing job %s went wrong", job.id)
            await self._finish(job.id, "failed", error="the server made a mistake; see its log")
        self._wake.set()

    async def _submit_ready(self) -> None:
        """Hand over what is prepared, oldest first, as far as there is room."""
        for id, live in list(self._live.items()):
            if live.prepared is None or live.submitted or not self._executor.free(live.kind):
                continue
            live.submitted = True
            job = await self._persisted(self._store.begin, id)
            if job.ended:  # cancelled meanwhile
                self._ended(job)
                continue
            self._tell(id, job)
            self._on_owed()
            live.began = time.monotonic()
            await self._executor.submit(live.prepared)
            if job.cancel_requested:
                await self._executor.cancel(id)

    async def _hear(self) -> None:
        async for event in self._executor.events():
            match event:
                case WorkerReady(device):
                    self._ready_devices.add(device)
                    self._wake.set()
                case WorkerStats(device):
                    self.stats[device] = event
                case _:
                    await self._heard(event)

    async def _heard(self, event: WorkEvent) -> None:
        live = self._live.get(getattr(event, "id", ""))
        if live is None:
            return  # what an earlier attempt still had to say
        match event:
            case Started(id) | Previewed(id):
                self._tell(id, event)
            case Progressed(id):
                self._note_progress(live, event)
                self._tell(id, event)
            case Logged(id, text):
                live.lines.append(f"{text}\n")
                self._tell(id, event)
            case Succeeded(id):
                await self._succeeded(id, live, event)
            case Failed(id, error):
                await self._finish(id, "failed", error=error)
            case Stopped(id):
                await self._stopped(id)
            case Lost(id, reason):
                await self._lost(id, reason)

    def _note_progress(self, live: _Running, event: Progressed) -> None:
        """Log progress now and then, in the form that clients read it from."""
        moment = time.monotonic()
        if event.done < event.total and moment - live.shown < FLUSH_SECONDS:
            return
        live.shown = moment
        live.lines.append(f"{progress_line(event, moment - live.began)}\n")

    async def _succeeded(self, id: str, live: _Running, event: Succeeded) -> None:
        output: dict[str, object] = {"files": list(event.files)}
        version = None
        if live.kind == "training":
            job = await self._job(id)
            model = str(event.facts["model"])
            owner, _, name = (job.destination or f"{self._owner}/{model}").partition("/")
            digest = hashlib.sha256(f"training {id}".encode()).hexdigest()
            version = Version(digest, owner, name, model, training=id)
            output |= {"version": digest, "model": model}
        await self._finish(id, "succeeded", output=output, metrics=event.metrics, version=version)

    async def _stopped(self, id: str) -> None:
        if (await self._job(id)).cancel_requested:
            await self._finish(id, "canceled")
        else:  # the executor stopped it, not a person: it runs again
            await self._put_back(id)

    async def _lost(self, id: str, reason: str) -> None:
        job = await self._job(id)
        _LOG.warning("job %s was lost in attempt %d: %s", id, job.attempts, reason)
        if job.cancel_requested:
            await self._finish(id, "canceled")
        elif job.attempts >= self._attempts:
            tried = "once" if job.attempts == 1 else f"{job.attempts} times"
            error = f"{reason}; it was tried {tried}. Ask for less, or see the server's log"
            await self._finish(id, "failed", error=error)
        else:
            self._live[id].lines.append(f"{reason}; trying again\n")
            await self._put_back(id)

    async def _put_back(self, id: str) -> None:
        await self._write_log(id)
        self._live.pop(id, None)
        job = await self._persisted(self._store.put_back, id)
        self._tell(id, job)
        self._wake.set()

    async def _finish(
        self,
        id: str,
        status: Status,
        *,
        output: Mapping[str, object] | None = None,
        error: str | None = None,
        metrics: Mapping[str, float] | None = None,
        version: Version | None = None,
    ) -> None:
        await self._write_log(id)
        job = await self._persisted(
            self._store.finish,
            id,
            status,
            output=output,
            error=error,
            metrics=metrics,
            version=version,
        )
        self._ended(job)

    def _ended(self, job: Job) -> None:
        """Forget a job that has ended, and tell whoever waits for it."""
        live = self._live.pop(job.id, None)
        if live is not None and live.task is not None and live.task is not asyncio.current_task():
            live.task.cancel()
        deadline = self._deadlines.pop(job.id, None)
        if deadline is not None:
            deadline.cancel()
        self._tell(job.id, job)
        self._on_owed()
        self._wake.set()

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            for id in list(self._live):
                await self._write_log(id)

    async def _write_log(self, id: str) -> None:
        live = self._live.get(id)
        if live is None:
            return
        async with live.writing:
            if not live.lines:
                return
            text, live.lines = "".join(live.lines), []
            await self._persisted(self._store.log, id, text)
        self._on_owed()

    def _watch_deadline(self, job: Job) -> None:
        if job.cancel_after is None or job.ended:
            return
        # After a restart only the clock tells how long ago that was; it may have been set since.
        passed = max(0.0, (now() - job.created_at).total_seconds())
        left = max(0.0, job.cancel_after - passed)

        def cancel() -> None:
            task = asyncio.create_task(self.cancel(job.id))
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)

        self._deadlines[job.id] = asyncio.get_running_loop().call_later(left, cancel)

    async def _close(self) -> None:
        """End the work; what had not ended is taken up by the next server."""
        self._draining = True
        for live in self._live.values():
            if live.task is not None:
                live.task.cancel()
        for handle in self._deadlines.values():
            handle.cancel()
        await self._executor.close()
        for id in list(self._live):
            await self._write_log(id)

    def _tell(self, id: str, event: WorkEvent | Job) -> None:
        for events in self._watchers.get(id, ()):
            events.put_nowait(event)

    async def _job(self, id: str) -> Job:
        job = await self._persisted(self._store.job, id)
        if job is None:
            raise KeyError(id)
        return job

    @staticmethod
    async def _stored(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask the store, which waits for the disk, without making everyone wait."""
        return await asyncio.to_thread(call, *args, **kwargs)

    async def _persisted(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for what has happened: on a full disk it is tried until it is written."""
        pause = RETRY_SECONDS
        while True:
            try:
                return await self._stored(call, *args, **kwargs)
            except OutputError as error:
                _LOG.error("the store can't be written; trying again in %.0f s: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
