"""Where a song lies in the folder that was uploaded: names that strangers give, made harmless."""

from __future__ import annotations

import re
import unicodedata

from songloom.dataset.files import is_hidden
from songloom.errors import RequestError
from songloom.server.filenames import safe_name

DEEPEST = 12
"""Folders above a song, and itself."""


def song_place(path: str) -> str:
    """A place within a data set, with `/` between folders; never one outside of it.

    Raises:
        RequestError: it leads elsewhere, is hidden, or is none.
    """
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")]
    leads_out = ".." in parts or path[:1] in ("/", "\\") or re.match("[A-Za-z]:", path)
    if not parts or leads_out or "\0" in path or len(parts) > DEEPEST:
        raise RequestError(
            f"path is {path[:200]!r}, but must be the file's place in its folder, such as "
            f"'album/song.mp3', at most {DEEPEST - 1} folders deep; correct it"
        )
    if is_hidden(parts):
        raise RequestError(
            f"path is {path[:200]!r}, a file that systems hide, but must be a song, or what "
            "describes one; leave it out"
        )
    return "/".join(safe_name(part) for part in parts)


def folded(place: str) -> str:
    """Equal for places that some disk would take for the same."""
    return unicodedata.normalize("NFC", place).casefold()
