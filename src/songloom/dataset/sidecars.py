"""Files beside a song that describe it: `song.txt`, `song.json`, `song.wav.txt`, ..."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from songloom.dataset.encodings import decode_text
from songloom.dataset.files import Skipped, is_audio, is_sidecar
from songloom.dataset.values import Written, check_caption, label_names, parse_written, text_value
from songloom.errors import DatasetError

LARGEST = 1 << 20
"""Bytes of a description; more is no description."""

_NAMES = {
    "caption": ("caption", "description", "text", "prompt"),
    "bpm": ("bpm", "tempo"),
    "key": ("key", "keyscale", "key_scale"),
    "dynamics": ("dynamics",),
    "voice": ("voice",),
    "genre": ("genre", "genres"),
    "mood": ("mood", "moods"),
    "instruments": ("instruments", "instrument"),
}
"""Our names of fields, and other tools' names, among them the reference library's."""


_CAPTION_MARKS = ("caption", "description", "prompt", "text", "tags")
"""Marks that other tools put before ".txt": `song.caption.txt`, `song_prompt.txt`."""
_UNUSED_MARKS = ("lyrics", "lrc")


@dataclass(frozen=True)
class _Sidecar:
    """A file that may describe a song."""

    name: str
    path: Path
    stem: str
    """The song's name, with or without its extension."""
    rank: int
    """Place among the kinds; a later one wins."""


class Sidecars:
    """The descriptions that lie beside songs."""

    def __init__(self, files: Mapping[str, Path], songs: Iterable[str] = ()) -> None:
        """Take files that may be descriptions, and the names of all songs that they may be about.

        Args:
            files: by their names within the folder or archive of the songs; songs may be among
                them.
            songs: names of more songs.
        """
        every_song = [*(name for name in files if is_audio(name)), *songs]
        self._stems = {stem for song in every_song for stem in _stems(song)}
        self._by_stem: dict[str, list[_Sidecar]] = defaultdict(list)
        for name, path in sorted(files.items()):
            for sidecar in _sidecars(name, path, self._stems):
                self._by_stem[fold_name(sidecar.stem)].append(sidecar)

    def find_written(self, song: str) -> Written:
        """The caption and labels in the files beside a song.

        A text file is the caption; a JSON file may hold a caption and labels, and wins where both
        have one. `song.wav.txt` wins over `song.txt`, which may belong to several songs. Names
        that differ in case only, or in how accents are composed, are the same where no other song
        has that very name.

        Raises:
            DatasetError: a file cannot be understood.
        """
        said = Written()
        for sidecar in self._find_for(song):
            read = read_json if sidecar.rank == _JSON else read_text
            said = said.with_overrides(read(sidecar.path, PurePosixPath(sidecar.name).name))
        return said

    def explain_unused(self, songs: Iterable[str]) -> list[Skipped]:
        """The files that are about none of these songs, and why they are not used."""
        every = {side.name: side for sides in self._by_stem.values() for side in sides}
        used = {sidecar.name for song in songs for sidecar in self._find_for(song)}
        return [
            Skipped(name, _explain_unused(name, self._stems))
            for name in sorted(every)
            if name not in used
        ]

    def _find_for(self, song: str) -> list[_Sidecar]:
        """The files that describe a song, the last of which wins."""
        chosen = []
        for stem in _stems(song):
            candidates = self._by_stem.get(fold_name(stem), ())
            for rank in range(_JSON + 1):
                same = [side for side in candidates if side.rank == rank]
                exact = [side for side in same if side.stem == stem]
                others = [side for side in same if side.stem not in self._stems]
                chosen += (exact or others)[:1]
        return chosen


_MARKED, _PLAIN, _JSON = range(3)


def fold_name(name: str) -> str:
    """Equal for names that look the same: disks differ in case and in how they keep accents."""
    return unicodedata.normalize("NFC", name.casefold())


def _stems(song: str) -> tuple[str, str]:
    return str(PurePosixPath(song).with_suffix("")), song


def _sidecars(name: str, path: Path, stems: AbstractSet[str]) -> Iterator[_Sidecar]:
    """Readings of a file's name; `a_text.txt` is about `a` unless there is a song `a_text`."""
    if not is_sidecar(name):
        return
    stem, suffix = name[: name.rindex(".")], PurePosixPath(name).suffix.lower()
    if suffix == ".json":
        yield _Sidecar(name, path, stem, _JSON)
        return
    yield _Sidecar(name, path, stem, _PLAIN)
    named = _strip_mark(stem, _CAPTION_MARKS)
    if named and stem not in stems:
        yield _Sidecar(name, path, named, _MARKED)


def _strip_mark(stem: str, marks: Sequence[str]) -> str:
    """The stem before a mark such as ".caption"; empty where there is none."""
    match = re.fullmatch(rf"(.*[^/])[._-]({'|'.join(marks)})", stem, re.IGNORECASE | re.DOTALL)
    return match[1] if match else ""


def _explain_unused(name: str, stems: AbstractSet[str]) -> str:
    stem = name[: name.rindex(".")]
    if _strip_mark(stem, _UNUSED_MARKS) in stems:
        return "lyrics are not used: a model learns from what describes the sound"
    return (
        "it describes no song: expected the name of one with txt or json as its ending, such as "
        "'waltz.txt' for 'waltz.mp3'; rename it"
    )


def read_text(path: Path, name: str) -> Written:
    """A caption as free text, on one or more lines.

    Args:
        path: the file.
        name: what errors call it.

    Raises:
        DatasetError: it cannot be read as a text.
    """
    caption = text_value("caption", _read_decoded(path, name), name)
    check_caption(caption, name)
    return Written(caption)


def read_json(path: Path, name: str) -> Written:
    """A caption and labels as JSON, under our names or the reference library's.

    Keywords and a time signature, which have no place of their own, become part of the caption.
    `unknown` names labels
    that are to stay so, whatever analysis hears. What is not about the
    sound (artist, title, sample rate, ...) is passed over.

    Raises:
        DatasetError: it is no JSON object, or a value makes no sense.
    """
    try:
        content = json.loads(_read_decoded(path, name))
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
    if content.get("is_instrumental") is True and not values["voice"]:
        values["voice"] = "instrumental"
    said = parse_written(values, name)
    caption = _with_keywords(said.caption, content.get("keywords"), name)
    caption = _with_keywords(caption, _time_signature(content, name), name)
    check_caption(caption, name)
    unknown = label_names(content.get("unknown"), name) - set(said.labels.known)
    return Written(caption, said.labels, unknown)


def _time_signature(content: Mapping[str, Any], name: str) -> str | None:
    """As words: "3/4" and 3, as ACE-Step has it, are "3/4 time"."""
    value = next((content[key] for key in _TIME_SIGNATURES if content.get(key)), None)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    beats = text_value("timesignature", value, name)
    if beats is None:
        return None
    return f"{beats}/{8 if beats == '6' else 4} time" if beats.isdecimal() else f"{beats} time"


_TIME_SIGNATURES = ("timesignature", "time_signature")


def _with_keywords(caption: str | None, keywords: Any, name: str) -> str | None:
    if isinstance(keywords, list):
        keywords = ", ".join(str(word) for word in keywords)
    words = text_value("keywords", keywords, name)
    if caption is None or words is None:
        return caption or words
    return f"{caption.rstrip('.')}, {words}"


def _read_decoded(path: Path, name: str) -> str:
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
        return decode_text(content)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{name} is not text (byte {error.start} is {content[error.start]:#04x}): save it "
            "again as UTF-8, or remove it"
        ) from error
