"""Removing jobs for good: their files, what was trained, and at last the record itself."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from songloom.checkpoints.home import remove_model, trained_model
from songloom.clock import utc_now
from songloom.errors import BusyError, SongloomError
from songloom.jobs.model_names import find_run
from songloom.jobs.store.store import Store

TRASH_DAYS = 30.0
"""How long deleted jobs can be restored."""
_MOST_WAITING = 10_000
_LOG = logging.getLogger(__name__)


class Trash:
    """Removes jobs that their owner has deleted.

    Args:
        store: of the jobs, which knows those in the trash.
        folder: a job's folder, by its id.
    """

    def __init__(self, store: Store, folder: Callable[[str], Path]) -> None:
        self._store, self._folder = store, folder

    def remove(self, id: str) -> None:
        """Remove a job for good, from the trash or not, with the model that a training made.

        The record goes last, so that a removal that was interrupted can be made again.

        Raises:
            BusyError: the job has not ended, or another one needs what it made.
            ModelError: the model's files can't be removed.
        """
        job = self._store.job(id)
        if job is None:
            return
        if not job.ended:
            raise BusyError(f"{job.kind} {id!r} is being stopped; delete it in a moment")
        if job.kind == "training":
            self._remove_trained(id)
        shutil.rmtree(self._folder(id), ignore_errors=True)
        self._store.delete_job(id)

    def empty(self, before: datetime | None = None) -> int:
        """Remove all that is in the trash, or was deleted before a time; returns how many.

        Raises:
            SongloomError: something can't be removed, as `remove` says; the rest was.
        """
        ids = self._store.library.trash_ids(before)
        left, faults = list(ids), list[SongloomError]()
        while left:
            kept, faults = [], []
            for id in left:
                try:
                    self.remove(id)
                except SongloomError as error:
                    kept.append(id)
                    faults.append(error)
            # A model that others need can go once those that lie here as well are gone.
            if len(kept) == len(left):
                break
            left = kept
        if faults:
            raise faults[0]
        return len(ids)

    def sweep(self) -> int:
        """Remove what has been in the trash for long; returns how many."""
        try:
            return self.empty(utc_now() - timedelta(days=TRASH_DAYS))
        except SongloomError as error:
            _LOG.info("part of the trash is kept until later: %s", error)
            return 0

    def models(self) -> frozenset[str]:
        """Names of trained models that are in the trash, with the trainings that made them."""
        binned = set(self._store.library.trash_ids())
        if not binned:
            return frozenset()
        published = self._store.all_versions()
        kept = {version.model for version in published if version.training not in binned}
        return frozenset(version.model for version in published) - kept

    def _remove_trained(self, id: str) -> None:
        published = self._store.all_versions()
        for version in (version for version in published if version.training == id):
            if is_used(self._store, version.model):
                raise BusyError(
                    f"the model {version.model!r} is in use: jobs wait for it, or run it; cancel "
                    "them first, or delete it later"
                )
            alone = all(other.model != version.model or other is version for other in published)
            if alone and trained_model(version.model) is not None:
                remove_model(version.model)
            self._store.remove_version(version.id)
        run = find_run(id)
        if run is not None:
            shutil.rmtree(run, ignore_errors=True)


def is_used(store: Store, model: str) -> bool:
    """Whether a job runs or waits that needs a model."""
    jobs = (*store.list_running(), *store.list_waiting(_MOST_WAITING))
    return any(job.model == model for job in jobs)
