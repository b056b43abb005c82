"""Measurements of a fine-tuning beside its loss: of songs through the codec, and of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from torch import Tensor

from songloom.audio.files import Audio
from songloom.dataset.manifest import Dataset, Song
from songloom.generation.track import Track
from songloom.models.codec import Codec
from songloom.training.baselines import Baselines, measure_baselines
from songloom.training.coded_excerpts import CodedExcerpt, cut_excerpt
from songloom.training.fidelity import (
    is_quiet,
    mean_fidelity,
    measure_fidelity,
    measure_flaws,
    spectral_distance,
)
from songloom.training.summary import Ceiling, Distances, Findings, SongPair

MOST_MEASURED = 4
"""Excerpts that are measured: reading the pitch of ten seconds takes about a second."""
MOST_OTHERS = 12
"""Excerpts of the training songs whose sound is compared, for scale."""
MOST_READ = 120
"""Excerpts that are read: of mono, some 150 MB."""
MOST_PAIRS = 2
"""Songs that can be heard through the codec."""


@dataclass(frozen=True, eq=False)
class Excerpts:
    """Excerpts of a data set's songs; both may be empty."""

    training: Sequence[CodedExcerpt]
    """Of songs that are trained on."""
    held_out: Sequence[CodedExcerpt]
    """Of songs that are held out; where none is, other excerpts of those that are trained on."""
    songs_held_out: bool
    """Whether the latter are of songs of their own."""


def read_excerpts(dataset: Dataset, hop: int) -> Excerpts:
    """Read what was kept of a data set's songs; quiet excerpts are passed over.

    The first excerpts of all songs come first, so that a beginning of the list is of many songs.

    Raises:
        DatasetError: a token file is missing or broken.
    """
    training = _read_songs(dataset, [song for song in dataset.songs if not song.held_out], hop)
    held_out = _read_songs(dataset, [song for song in dataset.songs if song.held_out], hop)
    if held_out:
        return Excerpts(_interleave(training), _interleave(held_out), songs_held_out=True)
    rest = [[*of_song[:1], *of_song[2:]] for of_song in training]
    middles = [of_song[1:2] for of_song in training]
    return Excerpts(_interleave(rest), _interleave(middles), songs_held_out=False)


def measure_ceiling(excerpts: Excerpts, codec: Codec, base: Codec | None = None) -> Ceiling | None:
    """Measure what a codec makes of songs; None where nothing was kept of them.

    Args:
        excerpts: of the songs.
        codec: that the new model decodes with.
        base: the base model's, where that is another.
    """
    chosen = (excerpts.held_out or excerpts.training)[:MOST_MEASURED]
    if not chosen:
        return None
    decoded = [excerpt.decode(codec) for excerpt in chosen]
    rate = codec.sample_rate
    figures = [measure_fidelity(e.samples, y, rate) for e, y in zip(chosen, decoded, strict=True)]
    before = None
    if base is not None:
        of_base = [measure_fidelity(e.samples, e.decode(base), rate) for e in chosen]
        before = mean_fidelity(of_base)
    pairs = [
        SongPair(excerpt.title, Audio(excerpt.samples, rate), Audio(y, rate))
        for excerpt, y in list(zip(chosen, decoded, strict=True))[:MOST_PAIRS]
    ]
    songs = len({excerpt.title for excerpt in chosen})
    return Ceiling(songs, excerpts.songs_held_out, mean_fidelity(figures), before, pairs)


def measure_tables(dataset: Dataset) -> Baselines | None:
    """Measure what counting tokens comes to; None where no song is held out."""
    training = [_codes(dataset, song) for song in dataset.songs if not song.held_out]
    held_out = [_codes(dataset, song) for song in dataset.songs if song.held_out]
    if not training or not held_out:
        return None
    return measure_baselines(training, held_out, dataset.info.codebook_size)


def measure_findings(
    dataset: Dataset,
    excerpts: Excerpts,
    ceiling: Ceiling | None,
    codec: Codec,
    before: Sequence[Track],
    after: Sequence[Track],
) -> Findings:
    """Put together all that was measured.

    Args:
        dataset: the songs.
        excerpts: of them.
        ceiling: that was measured.
        codec: that the new model decodes with.
        before: pieces by the base model.
        after: pieces of the same prompts and seeds by the new one.
    """
    rate = codec.sample_rate
    old, new = ([track.audio for track in tracks] for tracks in (before, after))
    return Findings(
        ceiling=ceiling,
        distances=_distances(excerpts, codec, old, new) if old and new else None,
        flaws_before=measure_flaws(old, rate) if old else None,
        flaws_after=measure_flaws(new, rate) if new else None,
        baselines=measure_tables(dataset),
    )


def _distances(
    excerpts: Excerpts, codec: Codec, before: Sequence[Tensor], after: Sequence[Tensor]
) -> Distances | None:
    chosen = excerpts.held_out[:MOST_MEASURED]
    if not excerpts.songs_held_out or not chosen:
        return None
    songs = [excerpt.samples for excerpt in chosen]
    others = [excerpt.samples for excerpt in excerpts.training[:MOST_OTHERS]]
    rate = codec.sample_rate
    return Distances(
        before=spectral_distance(before, songs, rate),
        after=spectral_distance(after, songs, rate),
        codec=spectral_distance([excerpt.decode(codec) for excerpt in chosen], songs, rate),
        others=spectral_distance(others, songs, rate) if others else None,
    )


def _read_songs(dataset: Dataset, songs: Sequence[Song], hop: int) -> list[list[CodedExcerpt]]:
    chosen = songs[:MOST_READ]
    each = MOST_READ // max(1, len(chosen))
    return [_excerpts_of(dataset, song, hop, each) for song in chosen]


def _excerpts_of(dataset: Dataset, song: Song, hop: int, most: int) -> list[CodedExcerpt]:
    tokens = dataset.tokens(song)
    kept = tokens.excerpts
    if kept is None:
        return []
    cut = [
        cut_excerpt(song.file, kept.waveform(i), tokens.codes, int(start), hop)
        for i, start in enumerate(kept.starts[:most])
    ]
    return [excerpt for excerpt in cut if not is_quiet(excerpt.samples)]


def _codes(dataset: Dataset, song: Song) -> Tensor:
    return dataset.tokens(song).codes


def _interleave(of_songs: Sequence[Sequence[CodedExcerpt]]) -> list[CodedExcerpt]:
    return [each for turn in zip_longest(*of_songs) for each in turn if each is not None]
