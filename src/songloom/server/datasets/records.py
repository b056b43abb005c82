"""Data sets of the server as they are remembered: one JSON file in the folder of each.

What is known of a song comes from three sides and is kept apart: what analysis heard, what files
beside the song say, and what people changed here. The later wins, and each can come anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from songloom.clock import utc_now
from songloom.dataset.labels import LABEL_NAMES, LISTS
from songloom.dataset.values import Written

SongStatus = Literal["waiting", "analysing", "ready", "failed"]

FORMAT = 1
EDITABLE = ("caption", "genre", "mood", "instruments", "bpm", "key")
"""Names of a song's values that people can change."""


@dataclass(frozen=True)
class DatasetSong:
    """A song of a data set."""

    id: str
    file: str
    """Its place in the folder that was uploaded, with `/` between folders."""
    stored: str
    """Name of its bytes among the data set's files."""
    size: int
    """Bytes."""
    sha256: str
    status: SongStatus = "waiting"
    error: str | None = None
    """Why it can't be used, where it failed."""
    seconds: float | None = None
    """Its length, once it was analysed."""
    heard: Mapping[str, Any] = field(default_factory=dict)
    """Labels by analysis, those that it is sure of."""
    written: Mapping[str, Any] = field(default_factory=dict)
    """Caption and labels of the files beside it; `unknown` names those that are to stay so."""
    edits: Mapping[str, Any] = field(default_factory=dict)
    """Values that were changed here; None is one that was cleared."""

    def value(self, name: str) -> Any:
        """The caption, or a label, as it is now; None, or an empty list, where it is unknown."""
        if name in self.edits:
            return self.edits[name]
        return self.original_value(name)

    def original_value(self, name: str) -> Any:
        """The same without what was changed here."""
        if name in self.written.get("unknown", ()):
            return _empty_value(name)
        return self.written.get(name) or self.heard.get(name) or _empty_value(name)

    def description(self) -> dict[str, Any]:
        """Its description by people, as the file beside a song holds it for a training."""
        said = {name: value for name, value in self.written.items() if name != "unknown"}
        said |= self.edits
        cleared = {name for name, value in self.edits.items() if not value and name in LABEL_NAMES}
        unknown = sorted((cleared | set(self.written.get("unknown", ()))) - _nonempty_names(said))
        return {name: said[name] for name in sorted(_nonempty_names(said))} | (
            {"unknown": unknown} if unknown else {}
        )


@dataclass(frozen=True)
class SongDataset:
    """Songs that someone uploaded to train on."""

    id: str
    name: str
    created_at: datetime = field(default_factory=utc_now)
    songs: tuple[DatasetSong, ...] = ()
    """In the order of their files' names."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Names of stored files by the places of those that may describe a song."""

    @property
    def seconds(self) -> float:
        """Length of the songs that were analysed."""
        return sum(song.seconds or 0.0 for song in self.songs)

    def song(self, id: str) -> DatasetSong | None:
        """A song by its id."""
        return next((song for song in self.songs if song.id == id), None)

    @property
    def stored(self) -> frozenset[str]:
        """Names of all its files."""
        return frozenset((*(song.stored for song in self.songs), *self.descriptions.values()))


def as_values(written: Written) -> dict[str, Any]:
    """Contents of the files beside a song, in plain values."""
    labels = written.labels
    values: dict[str, Any] = {name: getattr(labels, name) for name in labels.known}
    if written.caption:
        values["caption"] = written.caption
    if written.unknown:
        values["unknown"] = sorted(written.unknown)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def to_json(dataset: SongDataset) -> str:
    """A data set as the text of its file."""
    values = vars(dataset) | {
        "format": FORMAT,
        "created_at": dataset.created_at.isoformat(),
        "songs": [vars(song) for song in dataset.songs],
    }
    return json.dumps(values, ensure_ascii=False)


def from_json(text: str) -> SongDataset:
    """The data set of such a text; what was being analysed waits again.

    Raises:
        ValueError: it is none.
    """
    try:
        values = json.loads(text)
        if values.pop("format") != FORMAT:
            raise ValueError("it is of another version of songloom")
        songs = tuple(_song(song) for song in values.pop("songs"))
        created_at = datetime.fromisoformat(values.pop("created_at"))
        return SongDataset(**values, created_at=created_at, songs=songs)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no data set ({error!r})") from error


def _song(values: dict[str, Any]) -> DatasetSong:
    known = {item.name for item in fields(DatasetSong)}
    song = DatasetSong(**{name: value for name, value in values.items() if name in known})
    if song.status != "analysing":
        return song
    return DatasetSong(**{**vars(song), "status": "waiting"})


def _nonempty_names(values: Mapping[str, Any]) -> set[str]:
    return {name for name, value in values.items() if value}


def _empty_value(name: str) -> Any:
    return [] if name in LISTS else None
