"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from songloom.errors import DatasetError, OutputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
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
            f"{str(path)!r} cannot be written ({error.strerror or error}): expected a folder that "
            "may be written and has room; free some, or choose another"
        ) from error
    finally:
        with suppress(OSError):  # it has its name by now, or never came to be
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8; raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())


def read_text(path: Path) -> str:
    """Read a file in UTF-8, whatever its line ends; raises DatasetError."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}): expected a part of a data set; prepare the "
            "songs again"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{path}, line {line} is not UTF-8 text; save it again as UTF-8"
        ) from error
