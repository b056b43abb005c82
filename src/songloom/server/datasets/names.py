"""Where a song lies in the folder that was uploaded: names that strangers give, made harmless.

A place is remembered as it was given, and the bytes lie under names of ours, so that no two songs
are ever taken for one. Names that any disk takes are made for a training only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from songloom.dataset.archives import DRIVE
from songloom.dataset.files import explain_unwanted, is_hidden, is_leftover
from songloom.errors import RequestError
from songloom.server.files.filenames import safe_name

DEEPEST = 12
"""Folders above a song, and itself."""
LONGEST_PLACE = 4096
"""Bytes in UTF-8, as many as a path may have on Linux."""


def song_place(path: str) -> str:
    """A place within a data set, with `/` between folders; never one outside of it.

    Raises:
        RequestError: it leads elsewhere, is hidden, or is none.
    """
    path = path.encode("utf-8", "replace").decode("utf-8")  # half of a pair is no character
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")]
    leads_out = ".." in parts or path[:1] in ("/", "\\") or re.match(DRIVE, path)
    too_long = len(path.encode()) > LONGEST_PLACE or len(parts) > DEEPEST
    if not parts or leads_out or "\0" in path or too_long:
        raise RequestError(
            f"path is {path[:200]!r}, but must be the file's place in its folder, such as "
            f"'album/song.mp3', at most {DEEPEST - 1} folders deep and {LONGEST_PLACE} bytes long; "
            "correct it",
            field="path",
        )
    if is_hidden(parts) or is_leftover(parts):
        reason = explain_unwanted(parts) or "it is a file that systems leave behind"
        raise RequestError(
            f"path is {path[:200]!r}, but must be a song, or what describes one: {reason}; leave "
            "it out",
            field="path",
        )
    return "/".join(parts)


def fold_place(place: str) -> str:
    """Equal for places that some disk would take for the same."""
    return unicodedata.normalize("NFC", place.casefold())


def training_names(places: Iterable[str]) -> dict[str, str]:
    """Names for songs in a folder of their own, by their places; different on every disk."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for place in sorted(places):
        name = PurePosixPath("/".join(safe_name(part) for part in place.split("/")))
        number, own = 1, name
        while fold_place(str(own)) in taken:
            number += 1
            own = name.with_name(f"{name.stem} ({number}){name.suffix}")
        taken.add(fold_place(str(own)))
        names[place] = str(own)
    return names
