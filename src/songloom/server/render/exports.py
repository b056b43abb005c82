"""All results as one zip, written while it is sent: no copy of it lies on the disk meanwhile."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

from songloom.jobs.store.library import JobLibrary
from songloom.jobs.store.records import JobKind, LibraryItem
from songloom.server.render.library import prompt_of, readable_name, result_names
from songloom.server.render.replicate import LONGEST_INLINE, stamp

_AT_ONCE = 100
_PIECE = 1 << 18
_FOLDERS = {"prediction": "music", "training": "models"}


def export(
    collection: JobLibrary, folder: Callable[[str], Path], kind: JobKind | None = None
) -> Iterator[bytes]:
    """A zip of all results that are not in the bin, and of what is known of them, piece by piece.

    Args:
        collection: what there is.
        folder: a job's folder, by its id.
        kind: of jobs; None for all.
    """
    sent = _Sent()
    told: list[dict[str, Any]] = []
    names = _Names()
    # Sounds are hardly smaller when they are packed, or packed already.
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_STORED) as archive:
        for item in _items(collection, kind):
            files = {}
            for result in result_names(item.job):
                path = folder(item.job.id) / result
                if path.is_file():
                    files[result] = names.new_name(item, result)
                    yield from _pack_file(archive, sent, item, path, files[result])
            told.append(_item_json(item, list(files.values())))
        archive.writestr("library.json", json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    yield sent.take()


class _Sent(io.RawIOBase):
    """Keeps what is written until it is taken; such a file can't be sought in, like a pipe."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class _Names:
    """Names of files, no two of them alike on any system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new_name(self, item: LibraryItem, result: str) -> str:
        made = f"{item.job.created_at:%Y-%m-%d} {readable_name(item, result)}"
        stem = f"{_FOLDERS[item.job.kind]}/{made}"
        ending = PurePath(result).suffix
        number, name = 1, f"{stem}{ending}"
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem} ({number}){ending}"
        self._taken.add(name.casefold())
        return name


def _items(collection: JobLibrary, kind: JobKind | None) -> Iterator[LibraryItem]:
    before = None
    while True:
        found, _ = collection.page(kind=kind, before=before, limit=_AT_ONCE)
        yield from found
        if len(found) < _AT_ONCE:
            return
        before = found[-1].job.sequence


def _pack_file(
    archive: zipfile.ZipFile, sent: _Sent, item: LibraryItem, path: Path, name: str
) -> Iterator[bytes]:
    """Write a file into the archive, passing on its bytes."""
    made = item.job.completed_at or item.job.created_at
    # A zip knows no dates outside of these years, to which a clock may have been set.
    year = min(max(made.year, 1980), 2107)
    entry = zipfile.ZipInfo(name, (year, *made.timetuple()[1:6]))
    entry.external_attr = 0o644 << 16
    size = path.stat().st_size
    with path.open("rb") as file, archive.open(entry, "w", force_zip64=size >= 1 << 31) as target:
        while piece := file.read(_PIECE):
            target.write(piece)
            yield sent.take()


def _item_json(item: LibraryItem, files: list[str]) -> dict[str, Any]:
    """An item's record; files from inside its request would outweigh all else."""
    job = item.job
    given = {
        name: value
        for name, value in job.input.items()
        if not (isinstance(value, str) and value[:5] == "data:" and len(value) > LONGEST_INLINE)
    }
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "title": item.title,
        "prompt": prompt_of(job),
        "favorite": item.favorite,
        "created_at": stamp(job.created_at),
        "completed_at": stamp(job.completed_at),
        "model": job.model,
        "destination": job.destination or None,
        "seed": job.seed,
        "input": given,
        "error": job.error,
        "files": files,
    }
