"""How near clips of music are to a style, by statistics that no training optimises.

A clip is described by numbers of four kinds: timbre (mel cepstrum), brightness (centroid, roll-off,
flatness), rhythm (onsets, the intervals between them, clearness of the pulse) and harmony
(spread and movement of pitch classes). Level does not count. Each number is standardised over a
pool of music, each kind counts alike, and a clip's distance is that to the mean of the style's
held-out songs.

Run as a program, it tests itself: does the distance tell other songs of the example style from
pieces in the embedded model's own styles, as they are and through the codec? Needs FluidSynth.

    python -m benchmarks.style [--quick] [--json]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch
from librosa.onset import onset_detect, onset_strength
from numpy.typing import NDArray

from benchmarks.report import Options, finish, options, say
from recipes.nano.bank import build_bank, load_bank
from recipes.nano.compose import compose
from recipes.nano.compose.theory import FRAME_RATE
from recipes.nano.sampler import Sampler
from recipes.nano.score import Excerpt
from songloom.audio.files import read_audio
from songloom.checkpoints.load import load_components

SAMPLE_RATE = 32_000
SECONDS = 8
"""Length of an excerpt."""
SONGS = Path(__file__).parents[1] / "examples" / "songs"
HELD_OUT = ("07-snow-in-a-glass", "08-seven-little-gears")
OWN_FIRST_SEED = 3_000_000_000
"""Pieces from here on have never been used by the recipe."""

FFT, HOP = 2048, 512
FLOOR = 1e-6
"""Power below which nothing counts, against the loudest of a clip."""
INTERVAL_EDGES = np.geomspace(0.1, 1.6, 9)
"""Of the histogram of intervals between onsets, seconds."""
BEAT_SECONDS = (0.25, 1.0)
"""A pulse is looked for between these."""
CHORD_SECONDS = 0.5
"""Time over which harmony's movement is measured."""

Sound = NDArray[np.float32]
Numbers = NDArray[np.float64]
Description = tuple[Numbers, ...]
"""Statistics of a clip: one vector for each of `KINDS`."""
KINDS = ("timbre", "brightness", "rhythm", "harmony")


def describe(clip: Sound) -> Description:
    """Timbre, brightness, rhythm and harmony of a mono clip (N,) at 32 kHz.

    Raises:
        ValueError: the clip is silent.
    """
    magnitude = np.abs(librosa.stft(clip, n_fft=FFT, hop_length=HOP))
    power = magnitude**2
    if power.max() == 0:
        raise ValueError("the clip is silent, so it has no style; leave it out")
    power = np.maximum(power / power.max(), FLOOR)
    mel = librosa.feature.melspectrogram(S=power, sr=SAMPLE_RATE, n_mels=64)
    decibels = librosa.power_to_db(mel)
    return _timbre(decibels), _brightness(power), _rhythm(decibels), _harmony(power)


def _timbre(decibels: Numbers) -> Numbers:
    cepstrum = librosa.feature.mfcc(S=decibels, n_mfcc=14)[1:]  # without the level
    return _mean_and_spread(cepstrum / 10)


def _brightness(power: Numbers) -> Numbers:
    magnitude = np.sqrt(power)
    rows = (
        np.log2(librosa.feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE)),
        np.log2(librosa.feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE) + 1),
        np.log10(librosa.feature.spectral_flatness(S=magnitude)),
    )
    return _mean_and_spread(np.concatenate(rows))


def _rhythm(decibels: Numbers) -> Numbers:
    """Onsets a second, shares of the intervals between them, and how clear the pulse is."""
    strength = onset_strength(S=decibels, sr=SAMPLE_RATE, hop_length=HOP)
    onsets = onset_detect(onset_envelope=strength, sr=SAMPLE_RATE, hop_length=HOP, units="time")
    seconds = len(strength) * HOP / SAMPLE_RATE
    counts, _ = np.histogram(np.diff(onsets).clip(*INTERVAL_EDGES[[0, -1]]), INTERVAL_EDGES)
    centred = strength - strength.mean()
    correlation = np.correlate(centred, centred, "full")[len(centred) - 1 :]
    first, last = (round(lag * SAMPLE_RATE / HOP) for lag in BEAT_SECONDS)
    pulse = correlation[first:last].max() / max(float(correlation[0]), 1e-9)
    shares = counts / max(1, counts.sum())
    return np.array([len(onsets) / seconds, pulse, *shares])


def _harmony(power: Numbers) -> Numbers:
    """Entropy of the pitch classes, in a moment and overall, and how far they move."""
    chroma = librosa.feature.chroma_stft(S=power, sr=SAMPLE_RATE, norm=1, tuning=0.0)
    length = round(CHORD_SECONDS * SAMPLE_RATE / HOP)
    chords = librosa.util.normalize(
        np.add.reduceat(chroma, np.arange(0, chroma.shape[1], length), axis=1), norm=1, axis=0
    )
    movement = 0.5 * np.abs(np.diff(chords, axis=1)).sum(axis=0)
    return np.array([
        _entropy(chroma.mean(axis=1)),
        float(np.mean([_entropy(chord) for chord in chords.T])),
        float(movement.mean()),
        float(movement.std()),
    ])  # fmt: skip


def _mean_and_spread(rows: Numbers) -> Numbers:
    return np.concatenate([rows.mean(axis=1), rows.std(axis=1)])


def _entropy(shares: Numbers) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log2(positive)).sum())


@dataclass(frozen=True)
class Yardstick:
    """Distances to a style, in standard deviations of the pool."""

    centre: Description
    """Mean of the style's clips."""
    scale: Description
    """Standard deviation over the pool."""

    @staticmethod
    def of(style: Sequence[Sound], pool: Sequence[Sound]) -> Yardstick:
        """A yardstick for the style of some clips; the pool should hold more music than that."""
        centre = [np.mean(kind, axis=0) for kind in zip(*map(describe, style), strict=True)]
        spread = [np.std(kind, axis=0) for kind in zip(*map(describe, pool), strict=True)]
        # What never changes in the pool must not count without bounds.
        return Yardstick(tuple(centre), tuple(np.maximum(s, 1e-3) for s in spread))

    def distances(self, clip: Sound) -> Numbers:
        """Distance of each kind: the root of the mean square of its standardised differences."""
        kinds = zip(describe(clip), self.centre, self.scale, strict=True)
        return np.array([np.sqrt(np.mean(((x - c) / s) ** 2)) for x, c, s in kinds])

    def distance(self, clip: Sound) -> float:
        """Distance of a clip: the root of the mean square of those of the kinds."""
        return float(np.sqrt(np.mean(self.distances(clip) ** 2)))


def excerpts(song: Sound) -> list[Sound]:
    """The whole excerpts of a song, one after the other."""
    length = SECONDS * SAMPLE_RATE
    return [song[start : start + length] for start in range(0, len(song) - length + 1, length)]


def example_excerpts(held_out: bool) -> list[Sound]:
    """Excerpts of the example songs that are held out, or of all others."""
    return [
        excerpt
        for path in sorted(SONGS.glob("*.ogg"))
        if (path.stem in HELD_OUT) == held_out
        for excerpt in excerpts(read_audio(path).samples.mean(dim=0).numpy())
    ]


def own_sampler() -> Sampler:
    """A sampler with the players of the embedded model's own styles."""
    with tempfile.TemporaryDirectory() as folder:
        bank = Path(folder, "bank.npz")
        build_bank(bank)
        return Sampler(load_bank(bank))


def own_excerpts(count: int) -> list[Sound]:
    """Pieces in the styles that the embedded model was made of, but not from these."""
    sampler = own_sampler()
    frames = SECONDS * FRAME_RATE
    pieces = (compose(OWN_FIRST_SEED + i) for i in range(count))
    return [sampler.render(Excerpt(piece, 0, frames)) for piece in pieces]


def separation(near: Iterable[float], far: Iterable[float]) -> float:
    """Chance that one of `near` is smaller than one of `far` (area under the ROC curve)."""
    distant = list(far)
    wins = [(a < b) + 0.5 * (a == b) for a in near for b in distant]
    return float(np.mean(wins))


def through_codec(clips: Sequence[Sound]) -> list[Sound]:
    """Clips as the embedded model's codec gives them back."""
    codec = load_components("nano").codec
    with torch.inference_mode():
        return [codec.decode(codec.encode(torch.from_numpy(c)[None]))[0].numpy() for c in clips]


def measure(run: Options) -> dict[str, float | int | str]:
    """How well the distance tells the style, as it is and through the codec."""
    say("rendering pieces of the embedded model's own styles ...", run)
    own = own_excerpts(24 if run.quick else 96)
    target, others = example_excerpts(held_out=True), example_excerpts(held_out=False)
    results: dict[str, float | int | str] = {
        "held_out_excerpts": len(target),
        "other_excerpts": len(others),
        "own_style_excerpts": len(own),
    }
    for name, passed in (("as_they_are", list), ("through_codec", through_codec)):
        say(f"{name} ...", run)
        style, same, different = passed(target), passed(others), passed(own)
        yardstick = Yardstick.of(style, style + same + different)
        near = np.array([yardstick.distances(clip) for clip in same])
        far = np.array([yardstick.distances(clip) for clip in different])
        whole = [np.sqrt((kinds**2).mean(axis=1)) for kinds in (near, far)]
        results[f"{name}: style's distance"] = float(whole[0].mean())
        results[f"{name}: own styles' distance"] = float(whole[1].mean())
        results[f"{name}: AUC"] = separation(whole[0], whole[1])
        for i, kind in enumerate(KINDS):
            results[f"{name}: AUC of {kind}"] = separation(near[:, i], far[:, i])
    return results


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = options(__doc__)
    finish(measure(chosen), chosen)
