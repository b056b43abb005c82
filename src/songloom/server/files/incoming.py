"""Files that come in pieces from elsewhere: written piece by piece, named once they are whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from songloom.errors import OutputError
from songloom.whole_files import replace_file


class IncomingFile:
    """A file while it comes.

    Args:
        path: where the bytes are written meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._sha256 = hashlib.sha256()
        self.size = 0
        """Bytes so far."""
        self.refused: OSError | None = None
        """The disk's error, where it took no bytes."""

    async def write(self, piece: bytes) -> None:
        """Add bytes; other requests go on meanwhile."""
        try:
            await asyncio.to_thread(self._write, piece)
        except OSError as error:
            self.refused = error
            raise

    def _write(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:  # an almost full disk takes a part
            left = left[self._file.write(left) :]
        self._sha256.update(piece)
        self.size += len(piece)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of the bytes so far, in hexadecimal digits."""
        return self._sha256.hexdigest()


@asynccontextmanager
async def open_incoming(target: Path) -> AsyncIterator[IncomingFile]:
    """A file to write into, which gets its name when the block ends well, and else is gone.

    Raises:
        OutputError: the disk refuses.
    """
    place = replace_file(target)
    temporary = place.__enter__()
    file: IncomingFile | None = None
    try:
        file = IncomingFile(temporary)
        yield file
    except BaseException as error:
        if file is None or file.refused is error:
            place.__exit__(type(error), error, error.__traceback__)
        else:  # a time-out, say, which is an OSError as well, but no fault of the disk
            place.__exit__(_Abandoned, _Abandoned(), None)
        raise
    else:
        # The disk may take its time to say that all is there. A request that is cancelled
        # meanwhile leaves a whole file or none.
        await asyncio.to_thread(place.__exit__, None, None, None)
    finally:
        if file is not None:
            file.close()


class _Abandoned(Exception):  # noqa: N818 - tells `replacing` to remove what there is
    """The sender broke off."""


def remove_unfinished(folder: Path) -> None:
    """Remove what a server that was killed had not finished writing.

    Raises:
        OutputError: the folder can't be written.
    """
    try:
        for path in folder.glob(".*.part"):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{str(folder)!r} can't be written ({error.strerror}), but must be a folder that may "
            "be; give another with --folder"
        ) from error
