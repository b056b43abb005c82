"""Removes what is old or above the limit: files of ended jobs, uploads, unused weights."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from songloom.clock import JumpDetector, utc_now
from songloom.errors import OutputError
from songloom.jobs.paths import folder_size
from songloom.jobs.store.records import StoredFile
from songloom.jobs.store.store import Store
from songloom.whole_files import remove_unfinished

SWEEP_SECONDS = 600.0
"""Between two looks."""
IN_USE_SECONDS = 3600.0
"""Entries used within this time may be in use, and are kept even above the limit."""
_AT_ONCE = 100
_LOG = logging.getLogger(__name__)


class Retention:
    """Keeps jobs and files within limits; none is no limit.

    Jobs stay in the store, with their data marked as removed; trained models are never touched.

    Args:
        store: the records.
        jobs: folder of the jobs' folders.
        folder: a job's folder, by its id.
        remove_file: removes an uploaded file's bytes, by its id.
        files: folder of the uploaded files.
        caches: folders whose entries can be made again; what was not used for long goes first.
        keep_days: age from which jobs and files go.
        keep_bytes: what they may take; the oldest go first.
        unfinished: folders where earlier processes may have left files that they did not finish.
        sweep_trash: removes what has been in the trash for long; returns how many.
    """

    def __init__(
        self,
        store: Store,
        jobs: Path,
        folder: Callable[[str], Path],
        remove_file: Callable[[str], None],
        files: Path,
        *,
        caches: tuple[Path, ...] = (),
        unfinished: tuple[Path, ...] = (),
        keep_days: float | None,
        keep_bytes: int | None,
        sweep_trash: Callable[[], int] = lambda: 0,
    ) -> None:
        self._store, self._jobs, self._files = store, jobs, files
        self._folder, self._remove_file = folder, remove_file
        self._caches, self._unfinished = caches, unfinished
        self._keep_days, self._keep_bytes = keep_days, keep_bytes
        self._sweep_bin = sweep_trash
        self._started = time.time()
        self._jumps = JumpDetector()

    async def run(self) -> None:
        """Remove what earlier processes left half, then look now and then, for ever."""
        for folder in self._unfinished:
            await asyncio.to_thread(remove_unfinished, folder, self._started)
        while True:
            try:
                await asyncio.to_thread(self.sweep)
            except (OutputError, OSError) as error:
                _LOG.warning("old files can't be removed now: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    def sweep(self) -> int:
        """Remove what is beyond the limits; returns how many jobs and files that were."""
        removed = 0
        if self._clock_is_plausible():
            removed += self._sweep_bin()
            if self._keep_days is not None:
                removed += self._remove_before(utc_now() - timedelta(days=self._keep_days))
        if self._keep_bytes is not None:
            removed += self._remove_until(self._keep_bytes)
        return removed

    def _clock_is_plausible(self) -> bool:
        """Whether the clock went on as time did: one that jumps must not make everything old."""
        if jump := self._jumps.find_jump():
            _LOG.warning("the clock jumped by %.0f s; nothing is removed by age for a day", jump)
        return self._jumps.is_plausible()

    def _remove_before(self, moment: datetime) -> int:
        removed = sum(
            _remove_entry(entry)
            for used, entry in self._cache_entries()
            if used < moment.timestamp()
        )
        while ended := self._store.list_ended(_AT_ONCE, before=moment):
            for job in ended:
                self._remove_job(job.id)
            removed += len(ended)
        for file in self._uploads():
            if file.created_at < moment:
                self._remove_upload(file.id)
                removed += 1
        return removed

    def _remove_until(self, limit: int) -> int:
        """Remove the oldest jobs and files until the rest takes at most `limit` bytes."""
        taken = sum(map(folder_size, (self._jobs, self._files, *self._caches)))
        uploads = self._uploads()
        file = next(uploads, None)
        removed = 0
        for used, entry in self._cache_entries():
            if taken > limit and used < time.time() - IN_USE_SECONDS:
                taken -= folder_size(entry)
                removed += _remove_entry(entry)
        while taken > limit:
            job = next(iter(self._store.list_ended(1)), None)
            if job is not None and (file is None or job.created_at <= file.created_at):
                taken -= folder_size(self._folder(job.id))
                self._remove_job(job.id)
            elif file is not None:
                taken -= file.size
                self._remove_upload(file.id)
                file = next(uploads, None)
            else:
                break  # the rest belongs to what waits or runs
            removed += 1
        return removed

    def _cache_entries(self) -> list[tuple[float, Path]]:
        """Entries of the caches by when they were used last, the longest unused first."""
        found = []
        for folder in self._caches:
            with suppress(FileNotFoundError):
                found += [(entry.stat().st_mtime, entry) for entry in folder.iterdir()]
        return sorted(found)

    def _uploads(self) -> Iterator[StoredFile]:
        """Uploaded files that no job still needs, the oldest first."""
        place = 0
        while page := self._store.files(after=place, limit=_AT_ONCE):
            place = page[0].sequence
            yield from (file for file in page[::-1] if not self._store.needs_file(file.id))

    def _remove_job(self, id: str) -> None:
        shutil.rmtree(self._folder(id), ignore_errors=True)
        self._store.remove_data(id)

    def _remove_upload(self, id: str) -> None:
        self._remove_file(id)
        self._store.remove_file(id)


def _remove_entry(entry: Path) -> int:
    """Remove a cache's entry; how many that were."""
    shutil.rmtree(entry, ignore_errors=True)
    return 1
