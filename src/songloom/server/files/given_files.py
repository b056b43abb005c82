"""Files that a job was given by URL, on this disk: each in a folder of its own in the job's.

What was fetched once is there when the job runs again, even if its URL has run out meanwhile.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path

from songloom.server.files.copies import link
from songloom.server.files.fetch import Fetcher
from songloom.server.files.filenames import safe_name
from songloom.server.files.own_files import OwnDataset, OwnFile, OwnFiles

INPUTS = "inputs"
"""Folder in a job's own with one folder for each file that it was given."""
_KINDS = (
    (0, b"PK\3\4", ".zip"),
    (0, b"PK\5\6", ".zip"),
    (0, b"\x1f\x8b", ".tar.gz"),
    (0, b"BZh", ".tar.bz2"),
    (0, b"\xfd7zXZ\0", ".tar.xz"),
    (257, b"ustar", ".tar"),
    (8, b"WAVE", ".wav"),
    (8, b"AIFF", ".aiff"),
    (0, b"fLaC", ".flac"),
    (0, b"OggS", ".ogg"),
    (0, b"ID3", ".mp3"),
    (4, b"ftyp", ".m4a"),
)
"""Where a file of a kind has which bytes, and how its name ends."""
_ENDINGS = (
    *(ending for _, _, ending in _KINDS),
    *(".gz", ".tgz", ".mp4", ".opus", ".oga", ".aac", ".aif", ".csv"),
)


@dataclass(frozen=True)
class GivenFile:
    """A file that a job was given."""

    path: Path
    etag: str = ""
    """See `Fetched`; empty for one that was not fetched just now."""


class GivenFiles:
    """Gets the files that jobs were given.

    Args:
        fetcher: fetches URLs.
        own: finds files behind the server's own URLs.
    """

    def __init__(self, fetcher: Fetcher, own: OwnFiles) -> None:
        self._fetcher, self._own = fetcher, own

    async def get(self, url: str, job: Path, field: str) -> GivenFile:
        """A file, under a name that tells what it is where its content does; or a folder of songs.

        Args:
            url: http, https or data; or one of the server's own.
            job: the job's folder.
            field: the input's name.

        Raises:
            FetchError: it can't be fetched, or may not be.
            OutputError: the disk refuses.
        """
        place = job / INPUTS / field
        there = await asyncio.to_thread(_find_fetched, place)
        if there is not None:
            return GivenFile(there)
        temporary, etag = place / f".{secrets.token_hex(8)}.part", ""
        own = await asyncio.to_thread(self._own.find, url)
        if isinstance(own, OwnDataset):
            await asyncio.to_thread(own.copy, temporary)
            return GivenFile(temporary.replace(place / safe_name(own.name)))
        if isinstance(own, OwnFile):
            await asyncio.to_thread(link, own.path, temporary)
            name = safe_name(own.name)
        else:
            fetched = await self._fetcher.fetch(own or url, temporary)
            name, etag = fetched.filename, fetched.etag
        path = await asyncio.to_thread(
            lambda: temporary.replace(place / _add_ending(name, temporary))
        )
        return GivenFile(path, etag)


def _find_fetched(place: Path) -> Path | None:
    """The file of an earlier attempt, which is whole once it has its name."""
    try:
        return next((file for file in place.iterdir() if not file.name.startswith(".")), None)
    except FileNotFoundError:
        return None


def _add_ending(name: str, file: Path) -> str:
    """A name that ends in what a file is: the one that it has, or else by its first bytes."""
    if name.lower().endswith(_ENDINGS):
        return name
    with file.open("rb") as opened:
        head = opened.read(512)
    for place, magic, ending in _KINDS:
        if head.startswith(magic, place):
            return f"{name}{ending}"
    mpeg = head[:1] == b"\xff" and head[1:2] >= b"\xe0"
    return f"{name}.mp3" if mpeg else name
