"""Names for files and models out of what people write, in any script."""

from __future__ import annotations

import unicodedata

_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))
"""Signs without width between letters of one word: in Persian or Hindi, say."""


def plain_name(text: str, *, also: str = "", longest: int | None = None) -> str:
    """Letters with their marks, and digits, of a text; a hyphen for whatever lies between them.

    Args:
        text: anything.
        also: further characters that stay.
        longest: characters of the name; no letter loses the marks that belong to it.
    """
    name = "-".join(
        "".join(
            letter if letter in also or _is_plain(letter) else " "
            for letter in unicodedata.normalize("NFC", text.translate(_JOINERS))
        ).split()
    )
    if longest is not None and len(name) > longest:
        while longest and unicodedata.category(name[longest])[0] == "M":
            longest -= 1
        name = name[:longest]
    return name


def _is_plain(letter: str) -> bool:
    return letter == "_" or unicodedata.category(letter)[0] in "LMN"
