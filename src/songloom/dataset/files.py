"""Which files count: songs, and what may lie beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

AUDIO = frozenset(
    {".wav", ".wave", ".bwf", ".w64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd"}
    | {".flac", ".mp3", ".mp2", ".mpga", ".ogg", ".oga", ".opus", ".spx"}
    | {".m4a", ".m4b", ".m4r", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".aac", ".adts"}
    | {".mka", ".mkv", ".webm", ".weba", ".wma", ".wmv", ".asf", ".avi", ".flv"}
    | {".mpg", ".mpeg", ".mts", ".m2ts", ".amr", ".ac3", ".eac3", ".ape", ".wv", ".tta", ".dsf"}
)
"""Endings of songs' names, in lower case: all that `audio.decoding` reads."""
SIDECARS = frozenset({".txt", ".json"})
EXPECTED = "wav, flac, mp3, ogg, opus, m4a, mp4, aac, aiff or other audio files"

_LEFTOVERS = frozenset(
    {".ds_store", "__macosx", "thumbs.db", "desktop.ini", ".localized", "@eadir", "$recycle.bin"}
    | {".appledouble", ".spotlight-v100", ".trashes", ".fseventsd", ".directory"}
)
"""Files and folders that systems leave behind and people never see, in lower case."""
_MOST_OF_A_REASON = 3


@dataclass(frozen=True)
class Skipped:
    """A file that is not used."""

    file: str
    reason: str


def is_audio(name: str) -> bool:
    """Whether a file is a song by the ending of its name, in any case."""
    return PurePosixPath(name).suffix.lower() in AUDIO


def is_sidecar(name: str) -> bool:
    """Whether a file may describe a song by the ending of its name, in any case."""
    return PurePosixPath(name).suffix.lower() in SIDECARS


def is_leftover(parts: Sequence[str]) -> bool:
    """Whether a file, or a folder above it, is a system's own, which nobody meant to give."""
    return any(part.lower() in _LEFTOVERS or part.startswith("._") for part in parts)


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether a file, or a folder above it, is hidden by a dot before its name.

    "...And Justice For All" is a title, not a hidden folder.
    """
    return any(part.startswith(".") and not part.startswith("..") for part in parts)


def is_wanted(parts: Sequence[str]) -> bool:
    """Whether a file is a song or may describe one; `parts` are its folders and its name."""
    known = is_audio(parts[-1]) or is_sidecar(parts[-1])
    return known and not is_leftover(parts) and not is_hidden(parts)


def explain_unwanted(parts: Sequence[str]) -> str:
    """The reason why a file is not used, empty for one that nobody meant to give."""
    if is_leftover(parts):
        return ""
    if is_hidden(parts):
        return "a dot before its name, or its folder's, hides it; rename it"
    return "it is neither a song nor a description of one (txt, json)"


def summarize_skipped(skipped: Iterable[Skipped]) -> Iterator[tuple[str, str]]:
    """Files that are not used, and why; of many with the same reason a few are named."""
    files: dict[str, list[str]] = {}
    for each in skipped:
        files.setdefault(each.reason, []).append(each.file)
    for reason, names in files.items():
        shown = names if len(names) <= _MOST_OF_A_REASON + 1 else names[:_MOST_OF_A_REASON]
        for name in shown:
            yield repr(name), reason
        if len(shown) < len(names):
            yield f"each of {len(names) - len(shown)} more files", reason
