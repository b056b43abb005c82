"""Files that people take for sound, told by their first bytes."""

from __future__ import annotations

_ARCHIVES = (
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
)
HEAD = 16
"""First bytes of a file that are enough."""


def archive_of(head: bytes) -> str:
    """The kind of archive that a file is which begins so; empty where it is none."""
    return next((kind for magic, kind in _ARCHIVES if head.startswith(magic)), "")
