"""Texts and names whose encoding nobody wrote down.

UTF-8 and what begins with a byte order mark are certain. Of the older code pages that one is taken
in which the letters make sense: Japanese kana and common characters, Cyrillic in words, accents
within words of Latin letters.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence
from contextlib import suppress

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which is how it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TEXTS = ("cp1252", "cp1251", "cp932", "gbk", "cp949", "big5")
"""Code pages of text files by Windows; of equally likely ones the first is taken."""
_NAMES = ("cp437", "cp850", "cp866", "cp1252", "cp1251", "cp932", "gbk", "cp949", "big5")
"""Code pages of names in zips: those of the DOS window, as the format has it, then the others."""
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f")
"""Bytes that are in no text in any of them."""
_LEAST = 0.3
"""Likelihood below which nothing makes sense."""


def decode_text(content: bytes) -> str:
    """The text of a file.

    Raises:
        UnicodeDecodeError: it is none.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    if 3 * content.count(0) >= len(content) > 0:  # UTF-16 without a mark, of Latin text
        with suppress(UnicodeDecodeError):
            text = content.decode("utf-16-be" if content[0] == 0 else "utf-16-le")
            if "\0" not in text:
                return text
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        encoding = "" if _CONTROLS.intersection(content) else _guess(content, _TEXTS)
        if not encoding:
            raise
        return content.decode(encoding)


def guess_names(names: Sequence[bytes]) -> str:
    """The encoding of names that one program wrote into an archive; cp437 where none fits."""
    together = b"\n".join(names)
    try:
        together.decode("utf-8")
    except UnicodeDecodeError:
        return _guess(together, _NAMES) or "cp437"
    return "utf-8"


def _guess(content: bytes, encodings: Sequence[str]) -> str:
    best, likeliest = _LEAST, ""
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        likelihood = _likelihood(text, encoding)
        if likelihood > best:
            best, likeliest = likelihood, encoding
    return likeliest


def _likelihood(text: str, encoding: str) -> float:
    """How likely letters beyond ASCII are, from 0 to 1, as the mean over them."""
    padded = f" {text} "
    shares = [
        _share(before, letter, after, encoding)
        for before, letter, after in zip(padded, padded[1:], padded[2:], strict=False)
        if letter > "\x7f"
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _share(before: str, letter: str, after: str, encoding: str) -> float:
    beside_latin = any(near.isascii() and near.isalpha() for near in (before, after))
    match _script(letter):
        case "latin" | "cyrillic" if letter.isupper() and before.islower():
            return 0.0
        case "latin":
            return 0.98 if beside_latin else 0.35
        case "cyrillic":
            if beside_latin:
                return 0.0
            return 1.0 if "cyrillic" in (_script(before), _script(after)) else 0.3
        case "kana":
            return 1.0
        case "hangul":
            return 1.0 if b"\xb0" <= letter.encode(encoding)[:1] <= b"\xc8" else 0.2
        case "han":
            return (0.95 if _is_common(letter.encode(encoding), encoding) else 0.4) * (
                0.5 if beside_latin else 1.0
            )
        case "punctuation":
            return 0.7
    return 0.0


def _script(letter: str) -> str:
    if letter.isascii():
        return "ascii"
    if unicodedata.category(letter)[0] == "P" or letter in "\u20ac\u00b0\u00b4\u00a9\u00ae\u3000":
        return "punctuation"
    name = unicodedata.name(letter, "")
    for start, script in (
        ("LATIN ", "latin"),
        ("CYRILLIC ", "cyrillic"),
        ("HIRAGANA ", "kana"),
        ("KATAKANA", "kana"),  # halfwidth ones have another name, and are seldom meant
        ("HANGUL ", "hangul"),
        ("CJK UNIFIED", "han"),
    ):
        if name.startswith(start):
            return script
    return ""


def _is_common(letter: bytes, encoding: str) -> bool:
    """Whether a Chinese character is in the first level of its code page."""
    lowest, highest = {
        "cp932": (0x88, 0x97),
        "gbk": (0xB0, 0xD7),
        "big5": (0xA4, 0xC6),
        "cp949": (0xFF, 0xFF),  # Hanja are seldom written
    }[encoding]
    return lowest <= letter[0] <= highest and (encoding != "gbk" or letter[1] >= 0xA1)
