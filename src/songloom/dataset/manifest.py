"""A data set on the disk: a folder that people can read and edit.

dataset.json                what the tokens were made with
songs.jsonl                 a line for each song: captions and labels, to be edited
tokens/<hash>.safetensors   a song's tokens and chroma, and what analysis found
tokens/songs.jsonl          songs.jsonl as it was written last, by which edits are told
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from songloom.dataset.labels import LABEL_NAMES, Labels
from songloom.dataset.token_store import TOKENS, SongTokens, read_record, read_tokens
from songloom.dataset.values import Written, parse_written
from songloom.errors import DatasetError
from songloom.whole_files import write_text

FORMAT = 1
INFO, SONGS = "dataset.json", "songs.jsonl"
HASH_DIGITS = 16
"""Digits of a song's hash that name it: enough that no two of a million songs share them."""


@dataclass(frozen=True)
class DatasetInfo:
    """The codec of a data set's tokens; they are of use to models with the same codec."""

    model_version: str
    """The model that it was prepared for, as it was asked for."""
    codec: str
    """The codec's fingerprint."""
    sample_rate: int
    """Hz."""
    channels: int
    frame_rate: float
    """Token frames per second."""
    codebooks: int
    """K, those of all channels together."""
    codebook_size: int
    chroma_bins: int | None
    """Pitch classes of the melody; None where the model follows none."""
    vocals: str
    """"kept", or "removed by" and the name of what did it."""
    format: int = FORMAT


@dataclass(frozen=True)
class Song:
    """A song of a data set."""

    file: str
    """Its name among the songs that the data set was made of."""
    hash: str
    """The first digits of its SHA-256, which name its tokens."""
    seconds: float
    caption: str | None = None
    labels: Labels = field(default_factory=Labels)
    held_out: bool = False
    """Whether it is kept from training, to measure on."""

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Known labels, in words for captions."""
        labels = self.labels
        words = {
            "genre": labels.genre,
            "mood": labels.mood,
            "instruments": labels.instruments,
            "key": (labels.key,),
            "bpm": (f"{labels.bpm:.0f} bpm" if labels.bpm else None,),
            "dynamics": (labels.dynamics,),
            "voice": (labels.voice,),
        }
        known = {name: tuple(word for word in group if word) for name, group in words.items()}
        return {name: group for name, group in known.items() if group}


@dataclass(frozen=True)
class Dataset:
    """Songs, their captions and labels, and where their tokens lie."""

    folder: Path
    info: DatasetInfo
    songs: tuple[Song, ...]

    @property
    def seconds(self) -> float:
        """Length of all songs."""
        return sum(song.seconds for song in self.songs)

    def tokens(self, song: Song) -> SongTokens:
        """A song's codes (K, T) and chroma (F,), mapped into memory rather than read.

        Raises:
            DatasetError: they are missing, broken, or made with another codec.
        """
        path = tokens_path(self.folder, song.hash)
        if read_record(path).treatment.codec != self.info.codec:
            raise DatasetError(
                f"{path} was made with another codec than {self.folder / INFO} says, as after a "
                "preparation that was not finished; prepare the songs again"
            )
        return read_tokens(path)


def tokens_path(folder: Path, hash: str) -> Path:
    """Where the tokens of the song with that hash lie."""
    return folder / TOKENS / f"{hash}.safetensors"


def is_dataset(path: Path) -> bool:
    """Whether a folder holds a data set."""
    return (path / INFO).is_file()


def read_dataset(folder: Path) -> Dataset:
    """Read a data set, as it was prepared or as people have edited it.

    Raises:
        DatasetError: a file is missing or broken; the message names line and field.
    """
    if not is_dataset(folder):
        raise DatasetError(
            f"{folder} is no data set: expected {INFO} and {SONGS} in it; prepare songs first"
        )
    return Dataset(folder, _read_info(folder / INFO), read_songs(folder / SONGS))


def write_dataset(dataset: Dataset, unedited: Iterable[Song]) -> None:
    """Write what people read; tokens are there already. Files appear whole or not at all.

    Args:
        dataset: the songs with what people changed about them.
        unedited: the songs without, those too whose lines people deleted.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_text(dataset.folder / SONGS, _lines(dataset.songs))
    write_text(dataset.folder / TOKENS / SONGS, _lines(unedited))
    write_info(dataset.folder, dataset.info)


def write_info(folder: Path, info: DatasetInfo) -> None:
    """Write what the tokens are made with; raises OutputError."""
    text = json.dumps(dataclasses.asdict(info), indent=2, ensure_ascii=False)
    write_text(folder / INFO, text + "\n")


def read_songs(path: Path) -> tuple[Song, ...]:
    """Read the lines of a `songs.jsonl`.

    Raises:
        DatasetError: the message names line and field.
    """
    songs: dict[str, Song] = {}
    # Only the line feed ends a line: captions may hold the other signs that Unicode knows for it.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        song = _song(line, where)
        if song.hash in songs:
            raise DatasetError(
                f"{where}: the song {song.hash} is there twice ({songs[song.hash].file!r} and "
                f"{song.file!r}); delete one of the lines"
            )
        songs[song.hash] = song
    return tuple(songs.values())


_OWN_FIELDS = ("file", "caption", *LABEL_NAMES, "seconds", "held_out", "hash")
_FIELDS = (*_OWN_FIELDS, "confidence", "sources")


def _lines(songs: Iterable[Song]) -> str:
    return "".join(f"{_line(song)}\n" for song in songs)


def _line(song: Song) -> str:
    labels = song.labels
    row = {
        "file": song.file,
        "caption": song.caption,
        **{name: getattr(labels, name) for name in LABEL_NAMES},
        "seconds": round(song.seconds, 3),
        "held_out": song.held_out,
        "hash": song.hash,
        "confidence": {name: round(share, 3) for name, share in labels.confidence.items()},
        "sources": dict(labels.sources),
    }
    return json.dumps(row, ensure_ascii=False)


def _song(line: str, where: str) -> Song:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{where} is not JSON ({error}); correct it, or delete the line"
        ) from error
    if not isinstance(row, dict):
        raise DatasetError(
            f"{where} holds a {type(row).__name__}: expected an object in braces; "
            "correct it, or delete the line"
        )
    _check_names(row, _FIELDS, where)
    said: Written = parse_written(row, where)
    hash, seconds, held_out = row.get("hash"), row.get("seconds"), row.get("held_out", False)
    if not isinstance(hash, str) or not _is_hash(hash):
        raise _value_error(
            "hash", hash, where, f"{HASH_DIGITS} hexadecimal digits, as it was prepared"
        )
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise _value_error("seconds", seconds, where, "a number of seconds, as it was prepared")
    if not isinstance(held_out, bool):
        raise _value_error("held_out", held_out, where, "true or false")
    if not isinstance(row.get("file"), str):
        raise _value_error("file", row.get("file"), where, "the name of the song's file")
    confidence, sources = row.get("confidence", {}), row.get("sources", {})
    for name, value in (("confidence", confidence), ("sources", sources)):
        if not isinstance(value, dict):
            raise _value_error(name, value, where, "an object in braces")
    labels = dataclasses.replace(
        said.labels,
        confidence={n: float(v) for n, v in confidence.items() if isinstance(v, (int, float))},
        sources={name: str(source) for name, source in sources.items()},
    )
    return Song(row["file"], hash, float(seconds), said.caption, labels, held_out)


def _is_hash(text: str) -> bool:
    return len(text) == HASH_DIGITS and set(text) <= set("0123456789abcdef")


def _read_info(path: Path) -> DatasetInfo:
    try:
        content = json.loads(_read_text(path))
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON ({error}); prepare the songs again") from error
    fields = {item.name: str(item.type) for item in dataclasses.fields(DatasetInfo)}
    if not isinstance(content, dict):
        raise DatasetError(f"{path} holds no object; prepare the songs again")
    if content.get("format") != FORMAT:
        raise DatasetError(
            f"{path}: format is {content.get('format')!r}, but must be {FORMAT}; prepare the songs "
            "again with this version of songloom"
        )
    _check_names(content, tuple(fields), str(path))
    types: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "int | None": int}
    for name, kind in fields.items():
        value = content.get(name)
        if not (isinstance(value, types[kind]) or (value is None and "None" in kind)):
            raise DatasetError(
                f"{path}: {name} is {value!r}, but must be of type {kind}; prepare the songs again"
            )
    return DatasetInfo(**content)


def _check_names(row: dict[str, Any], known: Iterable[str], where: str) -> None:
    import difflib

    for name in row:
        if name not in known:
            close = difflib.get_close_matches(name, list(known), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected {', '.join(known)}"
            raise DatasetError(f"{where}: unknown field {name!r}; {hint}")


def _value_error(name: str, value: Any, where: str, expected: str) -> DatasetError:
    return DatasetError(f"{where}: {name} is {value!r}, but must be {expected}; correct it")


def _read_text(path: Path) -> str:
    """Read a file in UTF-8, whatever its line ends; raises DatasetError."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}): expected a part of a data set; prepare the "
            "songs again"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{path}, line {line} is not UTF-8 text; save it again as UTF-8"
        ) from error
