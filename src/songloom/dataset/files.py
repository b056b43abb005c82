"""Which files count: songs, and what may lie beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

AUDIO = frozenset(
    {".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac"}
    | {".aif", ".aiff"}
)
"""Endings of songs' names, in lower case."""
SIDECARS = frozenset({".txt", ".json"})


def is_audio(name: str) -> bool:
    """Whether a file is a song by the ending of its name, in any case."""
    return PurePosixPath(name).suffix.lower() in AUDIO


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether a file, or a folder above it, is one that systems hide or leave behind."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def is_wanted(parts: Sequence[str]) -> bool:
    """Whether a file is a song or may describe one; `parts` are its folders and its name."""
    suffix = PurePosixPath(parts[-1]).suffix.lower()
    return (suffix in AUDIO or suffix in SIDECARS) and not is_hidden(parts)
