"""Summary of a training in plain data: the report and the model card show it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from songloom.audio.files import Audio
from songloom.training.baselines import Baselines
from songloom.training.fidelity import Fidelity, Flaws
from songloom.training.state import Measured, Update

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class SongSummary:
    """One song of the data set."""

    title: str
    seconds: float
    caption: str
    held_out: bool
    """Whether it was kept from training, to measure with."""
    bpm: float | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further labels, in words: {"genre": ("lo-fi",), "key": ("C minor",), ...}."""


@dataclass(frozen=True)
class ClipPair:
    """The same prompt and seed, before training and after it."""

    prompt: str
    seed: int
    before: Audio
    after: Audio


@dataclass(frozen=True)
class SongPair:
    """An excerpt of a song, and what the model's codec makes of it."""

    title: str
    original: Audio
    decoded: Audio


@dataclass(frozen=True)
class Ceiling:
    """The songs through the codec: what the best of trainings could sound like."""

    songs: int
    """How many were measured."""
    held_out: bool
    """Whether they are those that were held out; otherwise there were none, and all were."""
    fidelity: Fidelity
    before: Fidelity | None = None
    """With the base model's decoder; None where that was not changed."""
    pairs: Sequence[SongPair] = ()


@dataclass(frozen=True)
class Distances:
    """Spectral distances to the held-out songs, see `fidelity.spectral_distance`."""

    before: float
    """Of the base model's clips."""
    after: float
    """Of the new model's."""
    codec: float
    """Of the same songs through the codec: no clip can be expected to be nearer."""
    others: float | None
    """Of the other songs, for scale: that near they are to each other."""


@dataclass(frozen=True)
class Findings:
    """Measurements of sounds, beside the loss."""

    ceiling: Ceiling | None = None
    """None where nothing of the songs was kept beside their tokens."""
    distances: Distances | None = None
    """None where no song was held out, or no clips were made."""
    flaws_before: Flaws | None = None
    flaws_after: Flaws | None = None
    baselines: Baselines | None = None
    """None where no song was held out."""


@dataclass(frozen=True)
class TrainingSummary:
    """A finished training."""

    name: str
    base: str
    """The model that it started from: a known name, a hub id or a path."""
    licence: str
    """Of the base's weights, and so of the result."""
    method: Literal["lora", "full"]
    melody: bool
    """Whether the model can follow a melody."""
    channels: int
    """1, or 2: the codebooks of left and right alternate."""
    songs: Sequence[SongSummary]
    updates: Sequence[Update]
    """In order; not every one needs to be here."""
    measured: Sequence[Measured]
    """Losses on the held-out songs, in order; empty where no songs were held out."""
    after: Measured | None
    """Of the weights that were kept; None where no songs were held out."""
    seconds: float
    """How long training took."""
    settings: Mapping[str, Setting]
    """The request, by the names of its fields."""
    frame_rate: float = 50.0
    """Token frames per second; MusicGen's unless said otherwise."""
    longest_delay: int = 3
    """Steps by which the last codebook lags; MusicGen's unless said otherwise."""
    findings: Findings = Findings()

    @property
    def steps(self) -> int:
        """Updates done."""
        return self.updates[-1].step if self.updates else 0

    @property
    def song_seconds(self) -> float:
        """Seconds of all songs."""
        return sum(song.seconds for song in self.songs)

    @property
    def held_out(self) -> int:
        """Songs that were kept from training."""
        return sum(song.held_out for song in self.songs)

    @property
    def before(self) -> Measured | None:
        """The untrained model on the held-out songs; None where that was not measured."""
        return next((measured for measured in self.measured if measured.step == 0), None)


def describe_held_out(count: int) -> str:
    """A phrase for the held-out songs: "the held-out song", "the 3 held-out songs"."""
    return "the held-out song" if count == 1 else f"the {count:,} held-out songs"


def codebook_name(index: int, channels: int) -> str:
    """The display name of a codebook: "codebook 1", in stereo "codebook 1, left"."""
    if channels == 1:
        return f"codebook {index + 1}"
    return f"codebook {index // 2 + 1}, {('left', 'right')[index % 2]}"


def duration_text(seconds: float) -> str:
    """A length of time in words: "48 s", "12 min 5 s", "3 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def license_text(licence: str) -> str:
    """The meaning of the base's licence for the result, in two sentences."""
    if "NC" in re.split(r"[^A-Z]+", licence.upper()):
        use = f"It is {licence}: no commercial use, and that goes for this model and what it makes."
    else:
        use = f"It is {licence}, and this model comes under it too."
    return (
        f"{use} Whether you may share a model that learned from these songs, or its music, depends "
        "on the rights to the songs as well."
    )


def label_counts(songs: Sequence[SongSummary]) -> dict[str, dict[str, int]]:
    """How many songs have each value of each label, the most frequent first; tempos by range."""
    counts: dict[str, dict[str, int]] = {}
    for song in songs:
        for name, values in song.labels.items():
            for value in dict.fromkeys(values):
                by_value = counts.setdefault(name, {})
                by_value[value] = by_value.get(value, 0) + 1
    ordered = {
        name: dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))
        for name, values in counts.items()
    }
    lowest_of_range = sorted(int(song.bpm // 20) * 20 for song in songs if song.bpm is not None)
    tempos = {f"{low} to {low + 19} bpm": lowest_of_range.count(low) for low in lowest_of_range}
    return {"tempo": tempos, **ordered} if tempos else ordered
