"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from songloom.errors import OutputError


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary name in the same folder, whose file takes the place of `path` at the end.

    Raises:
        OutputError: the disk refuses; an older file stays as it was.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
        with temporary.open("r+b") as file:  # fsync wants it writable on some systems
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{str(path)!r} cannot be written ({error.strerror or error}): expected a file name in "
            "a folder that exists, may be written and has room; free some, or choose another place"
        ) from error
    finally:
        with suppress(OSError):  # it has its name by now, or never came to be
            temporary.unlink()


def remove_unfinished(folder: Path, before: float) -> None:
    """Remove what processes that were killed had not finished writing, in a folder and below.

    Args:
        folder: need not exist.
        before: a time (`time.time()`); what was written since may belong to a process that lives.
    """
    for path in folder.rglob(".*.part"):
        with suppress(OSError):  # it goes meanwhile, or may not be removed and does no harm
            if path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_text(path: Path, text: str) -> None:
    """Give `path` this text (UTF-8, what that can't hold replaced), at once or not at all.

    Raises:
        OutputError: it cannot be written; an older file is as it was.
    """
    with replace_file(path) as temporary:
        temporary.write_bytes(text.encode(errors="replace"))
