"""Finding songs: in a folder, in an archive, or a single file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from songloom.dataset.archives import is_archive, unpack
from songloom.dataset.files import (
    EXPECTED,
    Skipped,
    explain_unwanted,
    is_audio,
    is_hidden,
    is_leftover,
    is_sidecar,
    is_wanted,
)
from songloom.errors import DatasetError


@dataclass(frozen=True)
class SongFile:
    """A song as it was found."""

    name: str
    """Its path within what was searched, with `/` between folders; it can be written as UTF-8."""
    path: Path
    """Where it can be read."""
    hash: str
    """SHA-256 of its bytes, in hexadecimal digits."""


@dataclass(frozen=True)
class Songs:
    """Songs and the files beside them."""

    found: tuple[SongFile, ...]
    """By name, in an order that does not depend on the machine."""
    skipped: tuple[Skipped, ...]
    """Files that are of no use, songs that are there twice, links that were not followed."""
    files: Mapping[str, Path]
    """All files that are songs or may describe one, by name."""
    whole: bool = True
    """Whether all of `files` were given, and not merely lie beside the one that was."""


@contextmanager
def open_songs(path: Path, scratch: Path) -> Iterator[Songs]:
    """Find the songs of a folder, an archive or a file; they can be read until this is left.

    An archive is unpacked into a temporary folder within `scratch`, which exists.

    Raises:
        DatasetError: there are no songs, or the archive cannot be unpacked.
        OutputError: there is no room to unpack it.
    """
    if path.is_dir() or not is_archive(path):
        yield find_songs(path)
        return
    with TemporaryDirectory(dir=scratch, prefix=UNPACKED, ignore_cleanup_errors=True) as folder:
        unpacked = unpack(path, Path(folder))
        yield _songs(path, unpacked.files, list(unpacked.skipped))


UNPACKED = ".unpacked-"
"""How the names of temporary folders begin."""


def find_songs(path: Path) -> Songs:
    """Find the songs of a folder, or take a single file for one whatever its name.

    Sub-folders are searched, and extensions may be in any case. What systems leave behind
    (`.DS_Store`, `__MACOSX`, ...) is passed over; what else is of no use is reported. A link to a
    file counts as that file; a link to a folder is not followed, since it may lead anywhere, round
    in circles too, and is reported. Of songs with the same bytes one is kept.

    Raises:
        DatasetError: there are no songs.
    """
    if not path.is_dir():
        files = {_name(entry.name): entry for entry in _siblings(path)}
        files[_name(path.name)] = path
        return _songs(path, files, [], songs=(_name(path.name),))
    skipped: list[Skipped] = []
    return _songs(path, _with_own_names(_walk(path, path, skipped)), skipped)


def _with_own_names(found: Iterator[tuple[str, Path]]) -> dict[str, Path]:
    """Files by name; two whose bytes are no text may come out alike, and are numbered."""
    files: dict[str, Path] = {}
    for name, path in found:
        stem, dot, suffix = name.rpartition(".")
        number, own = 1, name
        while own in files:
            number += 1
            own = f"{stem} ({number}){dot}{suffix}"
        files[own] = path
    return files


def _songs(
    source: Path,
    files: Mapping[str, Path],
    skipped: list[Skipped],
    songs: tuple[str, ...] | None = None,
) -> Songs:
    names = songs or sorted(name for name in files if is_audio(name))
    if not names:
        raise DatasetError(
            f"{source} holds no songs: expected {EXPECTED}, in it or in folders within; choose "
            "another folder or archive"
        )
    found: dict[str, SongFile] = {}
    for name in names:
        try:
            with files[name].open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            skipped.append(Skipped(name, f"it cannot be read ({error.strerror})"))
            continue
        if digest in found:
            skipped.append(Skipped(name, f"it is the same file as {found[digest].name}"))
        else:
            found[digest] = SongFile(name, files[name], digest)
    return Songs(tuple(found.values()), tuple(skipped), files, whole=songs is None)


def _walk(root: Path, folder: Path, skipped: list[Skipped]) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if folder == root:
            raise DatasetError(
                f"{root} cannot be opened ({error.strerror}): expected a folder of songs that may "
                "be read; change its permissions, or choose another"
            ) from error
        skipped.append(
            Skipped(_relative_name(root, folder), f"it cannot be opened ({error.strerror})")
        )
        return
    for entry in entries:
        path, name = folder / entry.name, (entry.name,)
        kind = _kind(entry)
        unwanted = kind != "folder" and not is_wanted(name)
        if unwanted or is_hidden(name) or is_leftover(name):
            if reason := explain_unwanted(name):
                skipped.append(Skipped(_relative_name(root, path), reason))
        elif kind == "file":
            yield _relative_name(root, path), path
        elif kind == "folder" and not entry.is_symlink():
            yield from _walk(root, path, skipped)
        elif kind == "folder":
            skipped.append(Skipped(_relative_name(root, path), "it is a link to a folder"))
        else:
            skipped.append(Skipped(_relative_name(root, path), kind))


def _kind(entry: os.DirEntry[str]) -> str:
    """ "file" or "folder", behind links, too; or what it is instead."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError as error:  # a link that leads to itself, say
        return f"it cannot be opened ({error.strerror})"
    return "it is a link to nothing" if entry.is_symlink() else "it is no plain file"


def _siblings(path: Path) -> list[Path]:
    """Files that may describe a single song."""
    return [
        entry
        for entry in (path.parent.iterdir() if path.parent.is_dir() else ())
        if is_wanted((entry.name,)) and is_sidecar(entry.name) and entry.is_file()
    ]


def _relative_name(root: Path, path: Path) -> str:
    return _name(path.relative_to(root).as_posix())


def _name(name: str) -> str:
    """A name that can be written as UTF-8, whatever bytes the disk has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
