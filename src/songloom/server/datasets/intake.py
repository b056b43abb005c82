"""Uploads to a data set: a song, a description of one, or an archive of them."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from starlette.concurrency import run_in_threadpool

from songloom.dataset.archives import Limits, is_archive, unpack
from songloom.dataset.files import EXPECTED, Skipped, is_wanted
from songloom.errors import DatasetError, RequestError
from songloom.server.datasets.names import song_place
from songloom.server.datasets.store import Added, DatasetStore, NewFile
from songloom.server.files.incoming import open_incoming

MOST_UNPACKED = 4
"""Sizes of the largest upload that an archive may unpack to."""
_TAKEN = f"a song ({EXPECTED})"


async def take_upload(
    store: DatasetStore, id: str, path: str, body: AsyncIterator[bytes], max_bytes: int
) -> Added:
    """Take a file as it comes, and what is in it where it is an archive.

    Args:
        store: the data sets.
        id: of one that there is.
        path: the file's place in the folder that is uploaded; of an archive, that of its songs.
        body: the file's bytes.
        max_bytes: the largest upload.

    Raises:
        RequestError: the path leads elsewhere, or the file is of no use.
        OutputError: the disk refuses; nothing is left there.
    """
    place = song_place(path)
    temporary = store.files(id) / f".{secrets.token_hex(8)}"
    async with open_incoming(temporary) as file:
        async for piece in body:
            await file.write(piece)
    new = NewFile(place, temporary, file.size, file.sha256)
    return await run_in_threadpool(_add_file, store, id, new, max_bytes)


def _add_file(store: DatasetStore, id: str, new: NewFile, max_bytes: int) -> Added:
    try:
        if is_archive(new.path):
            return _add_archive(store, id, new, max_bytes)
        if not is_wanted(new.place.split("/")):
            raise RequestError(
                f"path is {new.place!r}, but must be {_TAKEN}, what describes one (txt or json "
                "beside it), or an archive of songs (zip, tar or tgz); leave this file out",
                field="path",
            )
        return store.add(id, [new])
    finally:
        new.path.unlink(missing_ok=True)


def _add_archive(store: DatasetStore, id: str, archive: NewFile, max_bytes: int) -> Added:
    """The songs of an archive, with what lies beside them."""
    within = PurePosixPath(archive.place).parent
    with TemporaryDirectory(
        dir=store.files(id), prefix=".unpacked-", ignore_cleanup_errors=True
    ) as folder:
        try:
            limits = Limits(total_bytes=MOST_UNPACKED * max_bytes)
            unpacked = unpack(archive.path, Path(folder), limits)
        except DatasetError as error:
            # Where it lies on the server is no business of whoever sent it.
            said = str(error).replace(str(archive.path), repr(archive.place))
            raise RequestError(said) from None
        skipped: list[Skipped] = []
        skipped += [Skipped(str(within / each.file), each.reason) for each in unpacked.skipped]
        added = store.add(id, list(_members(unpacked.files, within, skipped)))
    if not unpacked.files:
        raise RequestError(f"{archive.place!r} holds no songs, but must have some: {_TAKEN}")
    return Added(added.songs, (*skipped, *added.skipped, *added.unused))


def _members(
    members: dict[str, Path], within: PurePosixPath, skipped: list[Skipped]
) -> Iterator[NewFile]:
    for name, path in members.items():
        try:
            place = song_place(str(within / name))
        except RequestError as error:
            skipped.append(Skipped(name, str(error)))
            continue
        with path.open("r+b") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())  # before a record says that it is there
        yield NewFile(place, path, path.stat().st_size, digest)
