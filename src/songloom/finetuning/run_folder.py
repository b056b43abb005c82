"""The folder of a training while it goes on: its lock, its state, its logs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from songloom.errors import AlreadyRunningError, MissingExtraError, OutputError
from songloom.finetuning.history import CLIPS
from songloom.progress import ProgressCallback, ProgressEvent
from songloom.training.decoder_state import DECODER_STATE
from songloom.training.state import BEST_FILE, FILE
from songloom.training.tensorboard import TensorBoardLog
from songloom.whole_files import remove_unfinished

DATASET, LOGS = "dataset", "tensorboard"


@contextmanager
def lock_run(run: Path, name: str) -> Iterator[None]:
    """Lock a training's folder, so that no two of one name run; a killed process holds no lock."""
    from filelock import FileLock, Timeout

    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise AlreadyRunningError(name) from None
    except OSError as error:
        raise OutputError(
            f"{run} cannot be written ({error}); set SONGLOOM_HOME to a writable folder"
        ) from error
    try:
        remove_unfinished(run, time.time())  # nobody else writes here now
        yield
    finally:
        lock.release()


def clear_state(run: Path, *, keep_logs: bool = False) -> None:
    """Remove what a training would go on from; the prepared songs stay."""
    for name in (FILE, BEST_FILE, DECODER_STATE):
        (run / name).unlink(missing_ok=True)
    if not keep_logs:
        for folder in (LOGS, CLIPS):
            shutil.rmtree(run / folder, ignore_errors=True)


@contextmanager
def log_events(run: Path, step: int, tell: ProgressCallback) -> Iterator[ProgressCallback]:
    """Also log events for TensorBoard, where it is installed."""
    try:
        log = TensorBoardLog(run / LOGS, step)
    except MissingExtraError:
        yield tell
        return
    with log:

        def log_and_tell(event: ProgressEvent) -> None:
            log(event)
            tell(event)

        yield log_and_tell
