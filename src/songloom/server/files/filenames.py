"""File names that strangers give, made fit for any file system."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 120
"""Bytes in UTF-8; file systems take 255, and others may add to a name."""
_LONGEST_SUFFIX = 16
_UNFIT = re.compile(r'[<>:"|?*%]')
_AFTER_WORD = re.compile(r"[\s,;:.!?)]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def safe_name(text: str, default: str = "file") -> str:
    """The name of a file and never a path: no separators, no control characters, not hidden.

    Args:
        text: what a header, a URL or a form says.
        default: the name where nothing of `text` is left.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    # C: control and format characters, lone surrogates and unassigned ones; Z: separators.
    kept = "".join(
        " " if unicodedata.category(letter)[0] == "Z" else letter
        for letter in last
        if unicodedata.category(letter)[0] != "C"
    )
    name = _shorten(_UNFIT.sub("_", kept)).strip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    return name or default


def truncate_at_word(text: str, characters: int) -> str:
    """The beginning of a text, cut between words where it is too long for the start of a name.

    A text without spaces, as in Japanese, is cut between letters.

    Args:
        text: on one line.
        characters: at most; bytes are bounded by `LONGEST_NAME`.
    """
    text = text.encode(errors="ignore").decode()  # lone surrogates have no bytes
    start = text[:characters].encode()[:LONGEST_NAME].decode(errors="ignore")
    if len(start) < len(text) and not _AFTER_WORD.match(text[len(start)]):
        before = start.rsplit(maxsplit=1)[0] if len(start.split()) > 1 else start
        # One very long word at the end is worth more than the few letters before it.
        start = before if len(before) * 4 >= len(start) else start
    if len(start) == len(text):
        return text
    while start and unicodedata.category(start[-1])[0] not in "LNM":
        start = start[:-1]
    return start


def _shorten(name: str) -> str:
    """Cut a long name before its suffix, which tells what the file is."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = name, "", ""
    room = LONGEST_NAME - len(f"{dot}{suffix}".encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + suffix
