"""A folder in memory for the files of tests, which ends with the process that made it."""

import atexit
import os
import shutil
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")
PREFIX = "songloom-tests-"
NEEDED = 8 * 2**30
"""Bytes that are free before any are taken: the tests leave less than one GiB at a time."""


def make_memory_folder(memory: Path = MEMORY, needed: int = NEEDED) -> Path | None:
    """Make the folder where memory has room for it, and remove those of processes that are gone."""
    if "PYTEST_DEBUG_TEMPROOT" in os.environ or not os.access(memory, os.W_OK):
        return None
    for old in memory.glob(f"{PREFIX}*"):
        if not _is_running(int(old.name.removeprefix(PREFIX))):
            shutil.rmtree(old, ignore_errors=True)
    if min(shutil.disk_usage(memory).free, _free_memory()) < needed:
        return None
    folder = memory / f"{PREFIX}{os.getpid()}"
    folder.mkdir(mode=0o700)
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a process that was forked from it
        shutil.rmtree(folder, ignore_errors=True)


def _free_memory() -> int:
    """Bytes that programs may still take; none where that is not told."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
