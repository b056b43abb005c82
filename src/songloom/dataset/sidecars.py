"""What lies beside a song and describes it: `song.txt`, `song.json`, `song.wav.txt`, ..."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from songloom.dataset.files import SIDECARS
from songloom.dataset.values import Written, label_names, text_value, written
from songloom.errors import DatasetError

LARGEST = 1 << 20
"""Bytes of a description; more is no description."""

_NAMES = {
    "caption": ("caption", "description", "text", "prompt"),
    "bpm": ("bpm", "tempo"),
    "key": ("key",),
    "dynamics": ("dynamics",),
    "voice": ("voice",),
    "genre": ("genre", "genres"),
    "mood": ("mood", "moods"),
    "instruments": ("instruments", "instrument"),
}
"""What we call things, and what others call them; the reference library's names are among them."""


class Sidecars:
    """The descriptions that lie beside songs."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """Take all files, by their names within the folder or archive of the songs."""
        # Extensions may be in any case, names may not.
        self._files = {
            _key(name): path
            for name, path in sorted(files.items())
            if PurePosixPath(name).suffix.lower() in SIDECARS
        }

    def of(self, song: str) -> Written:
        """What is written beside the song of that name.

        A text file is the caption; a JSON file may hold a caption and labels, and wins where both
        have one. `song.wav.txt` wins over `song.txt`, which may belong to several songs.

        Raises:
            DatasetError: a file cannot be understood.
        """
        said = Written()
        for stem in (str(PurePosixPath(song).with_suffix("")), song):
            for suffix, read in ((".txt", read_text), (".json", read_json)):
                path = self._files.get(stem + suffix)
                if path is not None:
                    said = said.overridden_by(read(path, PurePosixPath(stem + suffix).name))
        return said


def read_text(path: Path, name: str) -> Written:
    """A caption as free text, on one or more lines.

    Args:
        path: the file.
        name: what errors call it.

    Raises:
        DatasetError: it cannot be read as UTF-8.
    """
    return Written(text_value("caption", _decoded(path, name), name))


def read_json(path: Path, name: str) -> Written:
    """A caption and labels as JSON, under our names or the reference library's.

    Keywords, which have no place of their own, become part of the caption. `unknown` names labels
    that are to stay so, whatever analysis hears. What is not about the
    sound (artist, title, sample rate, ...) is passed over.

    Raises:
        DatasetError: it is no JSON object, or a value makes no sense.
    """
    try:
        content = json.loads(_decoded(path, name))
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{name} is not JSON ({error}): expected an object such as "
            '{"caption": "warm piano", "bpm": 90}; correct or remove it'
        ) from error
    if not isinstance(content, dict):
        raise DatasetError(
            f"{name} holds a {type(content).__name__}: expected an object such as "
            '{"caption": "warm piano", "bpm": 90}; correct or remove it'
        )
    values: dict[str, Any] = {}
    for ours, names in _NAMES.items():
        values[ours] = next((content[key] for key in names if content.get(key)), None)
    said = written(values, name)
    caption = _with_keywords(said.caption, content.get("keywords"), name)
    unknown = label_names(content.get("unknown"), name) - set(said.labels.known)
    return Written(caption, said.labels, unknown)


def _with_keywords(caption: str | None, keywords: Any, name: str) -> str | None:
    if isinstance(keywords, list):
        keywords = ", ".join(str(word) for word in keywords)
    words = text_value("keywords", keywords, name)
    if caption is None or words is None:
        return caption or words
    return f"{caption.rstrip('.')}, {words}"


def _key(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) + suffix.lower()


def _decoded(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise DatasetError(f"{name} cannot be read ({error.strerror}); correct or remove it") from (
            error
        )
    if len(content) > LARGEST:
        raise DatasetError(
            f"{name} is longer than {LARGEST} bytes: expected the description of a song; "
            "shorten or remove it"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{name} is not UTF-8 text (byte {error.start} is {content[error.start]:#04x}): "
            "save it again as UTF-8, or remove it"
        ) from error
