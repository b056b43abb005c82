"""File names that strangers give, made fit for any file system."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 120
"""Bytes in UTF-8; file systems take 255, and others may add to a name."""
_LONGEST_SUFFIX = 16
_UNFIT = re.compile(r'[<>:"|?*%]')
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
    name = _shortened(_UNFIT.sub("_", kept)).strip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    return name or default


def _shortened(name: str) -> str:
    """Cut a long name before its suffix, which tells what the file is."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = name, "", ""
    room = LONGEST_NAME - len(f"{dot}{suffix}".encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + suffix
