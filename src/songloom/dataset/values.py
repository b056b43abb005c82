"""Captions and labels as people write them, brought into one form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from songloom.dataset.labels import FROM_FILE, LABEL_NAMES, LISTS, Labels
from songloom.errors import DatasetError
from songloom.request import MAX_TEXT_CHARACTERS

SLOWEST, FASTEST = 20.0, 400.0
"""Beats per minute that a song can have."""


@dataclass(frozen=True)
class Written:
    """A caption and labels that a person wrote about a song."""

    caption: str | None = None
    labels: Labels = field(default_factory=Labels)
    unknown: frozenset[str] = frozenset()
    """Names of labels that stay unknown, whatever is heard."""

    def with_overrides(self, other: Written) -> Written:
        """This, with what `other` says in its place."""
        caption = self.caption if other.caption is None else other.caption
        labels = other.apply_to(self.labels)
        return Written(caption, labels, (self.unknown | other.unknown) - set(labels.known))

    def apply_to(self, labels: Labels) -> Labels:
        """Labels that were known otherwise, with what is written here in their place."""
        return labels.drop(self.unknown).with_overrides(self.labels)


def parse_written(values: dict[str, Any], where: str) -> Written:
    """From a caption and labels as they stand in a file to what they mean.

    Args:
        values: by "caption" and the names of `Labels`; empty ones are unknown.
        where: the place that errors name, such as "songs.jsonl, line 3".

    Raises:
        DatasetError: a value makes no sense.
    """
    found = {name: label_value(name, values[name], where) for name in LABEL_NAMES if name in values}
    known = {name: value for name, value in found.items() if value}
    caption = text_value("caption", values.get("caption"), where)
    check_caption(caption, where)
    return Written(caption, Labels(**known, sources=dict.fromkeys(known, FROM_FILE)))


def check_caption(caption: str | None, where: str) -> None:
    """Raise DatasetError for a caption that is longer than any description."""
    if caption is not None and len(caption) > MAX_TEXT_CHARACTERS:
        raise DatasetError(
            f"{where}: the caption has {len(caption)} characters, but must have at most "
            f"{MAX_TEXT_CHARACTERS}; shorten it"
        )


def label_names(value: Any, where: str) -> frozenset[str]:
    """Names of labels, from a list of them.

    Raises:
        DatasetError: it is no list of such names.
    """
    names = _list("unknown", value, where)
    for name in names:
        if name not in LABEL_NAMES:
            raise _value_error("unknown", name, where, f"names of labels: {', '.join(LABEL_NAMES)}")
    return frozenset(names)


def label_value(name: str, value: Any, where: str) -> Any:
    """The value of the label `name`; None or () where it is empty.

    Raises:
        DatasetError: it makes no sense.
    """
    if name in LISTS:
        return _list(name, value, where)
    match name:
        case "bpm":
            return _bpm(value, where)
        case "key":
            return _key(text_value(name, value, where), where)
        case "voice":
            return _voice(text_value(name, value, where), where)
        case _:
            return text_value(name, value, where)


def text_value(name: str, value: Any, where: str) -> str | None:
    """A text without blanks around it; None where it is empty.

    Raises:
        DatasetError: it is no text.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise _value_error(name, value, where, "a text in quotation marks, or null")
    # Half of a pair, which JSON can hold, is no character and cannot be written.
    return value.encode("utf-8", "replace").decode().strip() or None


def _list(name: str, value: Any, where: str) -> tuple[str, ...]:
    """A list of texts; or a text of several, between ";" or "|" or else between commas."""
    expected = 'a list of texts such as ["a", "b"]'
    if value is None:
        return ()
    if isinstance(value, str):
        value = re.split(r"[;|]" if re.search(r"[;|]", value) else ",", value)
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise _value_error(name, value, where, expected)
    parts = (text_value(name, part, where) for part in value)
    return tuple(dict.fromkeys(part for part in parts if part))


def _bpm(value: Any, where: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    expected = f"a number of beats per minute from {SLOWEST:g} to {FASTEST:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _value_error("bpm", value, where, expected)
    try:
        bpm = float(value.lower().removesuffix("bpm") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        raise _value_error("bpm", value, where, expected) from None
    if not SLOWEST <= bpm <= FASTEST:
        raise _value_error("bpm", value, where, expected)
    return bpm


_KEY = re.compile(r"([A-Ga-g])\s*([#♯b♭]|sharp|flat)?[\s:_-]*([A-Za-z]*)")
_MODES = {
    "": "major",
    "M": "major",
    "maj": "major",
    "major": "major",
    "m": "minor",
    "min": "minor",
    "minor": "minor",
}


def _key(text: str | None, where: str) -> str | None:
    """Tonic and mode: "Am", "a minor" and "A:min" are "A minor"; a tonic alone is major."""
    if text is None:
        return None
    match = _KEY.fullmatch(text)
    if match is not None:
        tonic, sign, mode = match[1].upper(), match[2] or "", match[3]
        known = _MODES.get(mode) or _MODES.get(mode.lower())
        if known is not None:
            sharp = sign in ("#", "♯", "sharp")
            return f"{tonic}{'#' if sharp else 'b' if sign else ''} {known}"
    raise _value_error("key", text, where, 'a tonic and a mode, such as "C minor" or "F# major"')


_VOICES = {
    "vocal": "vocal",
    "vocals": "vocal",
    "instrumental": "instrumental",
}


def _voice(text: str | None, where: str) -> str | None:
    if text is None:
        return None
    if text.lower() not in _VOICES:
        raise _value_error("voice", text, where, '"vocal" or "instrumental"')
    return _VOICES[text.lower()]


def _value_error(name: str, value: Any, where: str, expected: str) -> DatasetError:
    return DatasetError(f"{where}: {name} is {value!r}, but must be {expected}; correct it")
