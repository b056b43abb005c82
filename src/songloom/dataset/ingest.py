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
from songloom.dataset.files import is_audio, is_wanted
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
class Skipped:
    """A file that is not used."""

    file: str
    reason: str


@dataclass(frozen=True)
class Songs:
    """What was found."""

    found: tuple[SongFile, ...]
    """By name, in an order that does not depend on the machine."""
    skipped: tuple[Skipped, ...]
    """Songs that are there twice, links that were not followed."""
    files: Mapping[str, Path]
    """All files that are songs or may describe one, by name."""


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
        files = unpack(path, Path(folder))
        yield _songs(path, {_name(name): file for name, file in files.items()}, [])


UNPACKED = ".unpacked-"
"""How the names of temporary folders begin."""


def find_songs(path: Path) -> Songs:
    """Find the songs of a folder, or take a single file for one whatever its name.

    Sub-folders are searched, hidden files and `__MACOSX` passed over, and extensions may be in any
    case. A link to a file counts as that file; a link to a folder is not followed, since it may
    lead anywhere, round in circles too, and is reported. Of songs with the same bytes one is kept.

    Raises:
        DatasetError: there are no songs.
    """
    if not path.is_dir():
        files = {_name(entry.name): entry for entry in _siblings(path)}
        files[_name(path.name)] = path
        return _songs(path, files, [], songs=(_name(path.name),))
    skipped: list[Skipped] = []
    return _songs(path, dict(_walk(path, path, skipped)), skipped)


def _songs(
    source: Path,
    files: Mapping[str, Path],
    skipped: list[Skipped],
    songs: tuple[str, ...] | None = None,
) -> Songs:
    names = sorted(name for name in files if is_audio(name)) if songs is None else songs
    if not names:
        raise DatasetError(
            f"{source} holds no songs: expected wav, flac, mp3, ogg, opus, m4a, mp4, aac or aiff "
            "files, in it or in folders within; choose another folder or archive"
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
    return Songs(tuple(found.values()), tuple(skipped), files)


def _walk(root: Path, folder: Path, skipped: list[Skipped]) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if folder == root:
            raise DatasetError(
                f"{root} cannot be opened ({error.strerror}): expected a folder of songs that may "
                "be read; change its permissions, or choose another"
            ) from error
        skipped.append(Skipped(_within(root, folder), f"it cannot be opened ({error.strerror})"))
        return
    for entry in entries:
        path = folder / entry.name
        if not is_wanted((entry.name,)) and not entry.is_dir():
            continue
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name != "__MACOSX":
                yield from _walk(root, path, skipped)
        elif entry.is_dir():
            skipped.append(Skipped(_within(root, path), "it is a link to a folder"))
        elif entry.is_file():
            yield _within(root, path), path
        else:
            reason = "it is a link to nothing" if entry.is_symlink() else "it is no plain file"
            skipped.append(Skipped(_within(root, path), reason))


def _siblings(path: Path) -> list[Path]:
    """What may describe a single file."""
    return [
        entry
        for entry in (path.parent.iterdir() if path.parent.is_dir() else ())
        if is_wanted((entry.name,)) and not is_audio(entry.name) and entry.is_file()
    ]


def _within(root: Path, path: Path) -> str:
    return _name(path.relative_to(root).as_posix())


def _name(name: str) -> str:
    """A name that can be written as UTF-8, whatever bytes the disk has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
