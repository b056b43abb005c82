"""Applies the executor's events to jobs: stores results and ends, and notifies subscribers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from songloom.errors import OutputError, SongloomError
from songloom.jobs.active_jobs import ActiveJob, Deadlines, Watchers
from songloom.jobs.messages import (
    Failed,
    Logged,
    Lost,
    Previewed,
    Progressed,
    Sampled,
    Started,
    Stopped,
    Succeeded,
    WorkEvent,
)
from songloom.jobs.paths import job_folder
from songloom.jobs.store.records import Job, Status, Version
from songloom.jobs.store.store import Store

P = ParamSpec("P")
R = TypeVar("R")
Publish = Callable[[Job, Path, Mapping[str, Any]], Awaitable[dict[str, Any]]]

FLUSH_SECONDS = 1.0
"""Between writings of a job's log."""
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 30.0
"""Between two tries to write what has happened."""
_LOG = logging.getLogger(__name__)


class EventHandler:
    """Applies the executor's events to the jobs that are active.

    Args:
        store: the jobs.
        jobs_folder: where each job gets a folder.
        publish: given a job, its folder and its output, uploads its files and returns the output
            as it is then; a `SongloomError` of it fails the job.
        attempts: how often a job is started when its worker is lost.
        owner: whose the models are that have no destination.
        on_owed: called when webhooks may be due.
        on_deadline: called with the id of a job whose time is up.
    """

    def __init__(
        self,
        store: Store,
        jobs_folder: Path,
        *,
        publish: Publish | None,
        attempts: int,
        owner: str,
        on_owed: Callable[[], None],
        on_deadline: Callable[[str], None],
    ) -> None:
        self._store, self._folder = store, jobs_folder
        self._publish, self._attempts, self._owner = publish, attempts, owner
        self._on_owed = on_owed
        self._active: dict[str, ActiveJob] = {}
        self._watchers = Watchers[WorkEvent | Job]()
        self._deadlines = Deadlines(on_deadline)
        self._suspects: dict[str, Lost] = {}
        """How jobs that have not ended broke off the last time."""
        self._wake = asyncio.Event()
        """Set when there may be room for more work."""
        self._closing = False
        self.on_ended: list[Callable[[Job], None]] = []
        """Called with each job that has ended."""

    def folder(self, id: str) -> Path:
        """A job's folder."""
        return job_folder(self._folder, id)

    async def _handle_event(self, event: WorkEvent) -> None:
        id = getattr(event, "id", "")
        active = self._active.get(id)
        if active is None:
            return  # what an earlier attempt still had to say
        try:
            await self._apply_event(active, event)
        except KeyError:
            if await self._call_until_written(self._store.job, id) is not None:
                raise
            self._active.pop(id, None)  # it was cancelled meanwhile, and deleted

    async def _apply_event(self, active: ActiveJob, event: WorkEvent) -> None:
        match event:
            case Started(id) | Previewed(id) | Sampled(id):
                self._watchers.notify(id, event)
            case Progressed(id):
                active.log_progress(event)
                self._watchers.notify(id, event)
            case Logged(id, text):
                said = Logged(id, self._hide_folder(id, text))
                active.add_line(said.text)
                self._watchers.notify(id, said)
            case Succeeded(id):
                await self._publish_success(id, active, event)
            case Failed(id, error):
                await self._finish(id, "failed", error=error)
            case Stopped(id):
                await self._settle_stopped(id)
            case Lost():
                await self._settle_lost(event)

    async def _publish_success(self, id: str, active: ActiveJob, event: Succeeded) -> None:
        """Publish a result; one that has to be uploaded does not keep others waiting."""
        job = await self._job(id)
        output: dict[str, Any] = {"files": list(event.files)}
        version = None
        if active.kind == "training":
            model = str(event.facts["model"])
            owner, _, name = (job.destination or f"{self._owner}/{model}").partition("/")
            digest = hashlib.sha256(f"training {id}".encode()).hexdigest()
            version = Version(digest, owner, name, model, training=id)
            output |= {"version": digest, "model": model}
        if self._publish is None or not job.output_prefix:
            await self._finish(
                id, "succeeded", output=output, metrics=event.metrics, version=version
            )
        else:
            active.task = asyncio.create_task(
                self._upload_result(job, output, event.metrics, version)
            )

    async def _upload_result(
        self,
        job: Job,
        output: dict[str, Any],
        metrics: Mapping[str, float],
        version: Version | None,
    ) -> None:
        assert self._publish is not None
        try:
            output = await self._publish(job, self.folder(job.id), output)
        except SongloomError as error:
            await self._finish(job.id, "failed", error=str(error))
        else:
            await self._finish(job.id, "succeeded", output=output, metrics=metrics, version=version)

    async def _settle_stopped(self, id: str) -> None:
        if (await self._job(id)).cancel_requested:
            await self._finish(id, "canceled")
        else:  # the executor gave it back: it runs again
            await self._requeue(id, failed=False)

    async def _settle_lost(self, lost: Lost) -> None:
        """Try a job again by itself, unless it has failed often enough.

        Where it broke off together with others, nobody knows whose doing that was: it counts for
        none, and shows when each is tried by itself.
        """
        id, reason = lost.id, lost.reason
        job = await self._job(id)
        _LOG.warning("job %s was lost in attempt %d: %s", id, job.attempts, reason)
        if job.cancel_requested:
            await self._finish(id, "canceled")
        elif job.attempts >= self._attempts and not lost.shared:
            tried = "once" if job.attempts == 1 else f"{job.attempts} times"
            error = f"{reason}; it was tried {tried}. Ask for less, or see the server's log"
            await self._finish(id, "failed", error=error)
        else:
            self._active[id].add_line(f"{reason}; trying again")
            self._suspects[id] = lost
            await self._requeue(id, failed=not lost.shared)

    async def _requeue(self, id: str, *, failed: bool) -> None:
        await self._write_log(id)
        self._active.pop(id, None)
        job = await self._call_until_written(self._store.requeue, id, failed=failed)
        if job.ended:  # someone had asked for its end
            self._announce_end(job)
        else:
            self._watchers.notify(id, job)
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
        active = self._active.get(id)
        # Lines that are being written come before the last ones.
        async with active.writing if active is not None else nullcontext():
            try:
                job = await self._call_until_written(
                    self._store.finish,
                    id,
                    status,
                    output=output,
                    error=None if error is None else self._hide_folder(id, error),
                    metrics=metrics,
                    version=version,
                    log="" if active is None else active.take_lines(),
                )
            except KeyError:  # cancelled meanwhile, and deleted
                job = None
        if job is not None and job.status == status:
            self._announce_end(job)
        else:  # who cancelled it meanwhile told of it
            self._active.pop(id, None)

    def _hide_folder(self, id: str, text: str) -> str:
        """A message without the server's folders, which are no business of its clients."""
        return text.replace(f"{self.folder(id)}{os.sep}", "")

    def _announce_end(self, job: Job) -> None:
        """Forget a job that has ended, and tell whoever waits for it."""
        active = self._active.pop(job.id, None)
        if (
            active is not None
            and active.task is not None
            and active.task is not asyncio.current_task()
        ):
            active.task.cancel()
        self._deadlines.forget(job.id)
        self._suspects.pop(job.id, None)
        self._watchers.notify(job.id, job)
        for notify in self.on_ended:
            notify(job)
        self._on_owed()
        self._wake.set()

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            for id in list(self._active):
                await self._write_log(id)

    async def _write_log(self, id: str) -> None:
        active = self._active.get(id)
        if active is None:
            return
        async with active.writing:
            text = active.take_lines()
            if not text:
                return
            with suppress(KeyError):  # cancelled meanwhile, and deleted
                await self._call_until_written(self._store.log, id, text)
        self._on_owed()

    async def _job(self, id: str) -> Job:
        job = await self._call_until_written(self._store.job, id)
        if job is None:
            raise KeyError(id)
        return job

    @staticmethod
    async def _call_store(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask the store, which waits for the disk, without making everyone wait."""
        return await asyncio.to_thread(call, *args, **kwargs)

    async def _call_until_written(
        self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The same for what has happened: on a full disk it is tried until it is written.

        A server that stops does not wait for that: the next one finds the jobs as they were.

        Raises:
            OutputError: it can't be written, and the server stops.
        """
        pause = RETRY_SECONDS
        while True:
            try:
                return await self._call_store(call, *args, **kwargs)
            except OutputError as error:
                if self._closing:
                    raise
                _LOG.error("the store can't be written; trying again in %.0f s: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
