"""Tempo: the period at which the onsets of a song repeat, on the metrical level of the beat.

Onset strength in bands and its autocorrelation are the tempogram of P. Grosche, M. Müller and
F. Kurth, "Cyclic tempogram" (ICASSP 2010). Which of the periods is the beat, and not half of it or
twice, is judged by how each group of bands repeats at fractions and multiples of it (a kick and a
snare that take turns repeat at two beats, a hi-hat at half of one) and by how usual the tempo is
(D. Moelants, "Preferred tempo reconsidered", ICMPC 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from songloom.dataset.analysis.excerpts import RATE, Samples, frames
from songloom.dataset.analysis.tempo_weights import PRIOR, WEIGHTS

Array = npt.NDArray[np.floating]

WINDOW = 1024
HOP = 160  # samples: 10 ms
FRAME_RATE = RATE / HOP
BLOCK_FRAMES = 2000  # spectra at a time, for memory's sake

BANDS = 36
LOWEST, HIGHEST = 40.0, 7800.0  # Hz
GROUP_EDGES = (0.0, 160.0, 900.0, 3500.0, RATE / 2)  # Hz: kick and bass, body, snare, hi-hat
COMPRESSION = 1000.0
RISE_FRAMES = 2

CORRELATED_FRAMES = 1200  # 12 s: long enough for four slow beats, short enough for a drifting tempo
CORRELATION_HOP = 600
LONGEST_LAG = 1000

SLOWEST, FASTEST = 50.0, 220.0  # beats a minute
CANDIDATES = np.geomspace(SLOWEST, FASTEST, 300)
USUAL = 110.0
FRACTIONS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)  # of the beat, at which repetition counts
TOLERANCES = (0.99, 1.0, 1.01)

SHORTEST_SECONDS = 5.0
LEAST_PULSE = 0.12
"""Repetition, of 1, after one, two or four beats that music has: of 200 pieces of the embedded
model's composer none had less than 0.13; white noise of ten seconds has 0.05."""


@dataclass(frozen=True)
class Tempo:
    """The tempo of a song."""

    bpm: float
    """Beats a minute."""
    confidence: float
    """From 0 to 1: the share of the likelihood that this tempo has among all candidates."""


def tempo(excerpts: Sequence[Samples]) -> Tempo | None:
    """Hear the tempo of excerpts `(N,)` at `RATE`; None where there is no pulse."""
    onsets = [onset_strength(excerpt) for excerpt in excerpts]
    if sum(map(len, onsets)) < SHORTEST_SECONDS * FRAME_RATE:
        return None
    repetition = np.mean([autocorrelation(strength) for strength in onsets], axis=0)
    scores = features(repetition) @ np.append(WEIGHTS.ravel(), PRIOR)
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    best = int(chances.argmax())
    period = _refine_period(repetition[-1], 60 * FRAME_RATE / CANDIDATES[best])
    if _interpolate(repetition[-1:], period * np.array([1, 2, 4])).max() < LEAST_PULSE:
        return None
    near = np.abs(CANDIDATES / CANDIDATES[best] - 1) < 0.04
    return Tempo(60 * FRAME_RATE / period, float(chances[near].sum()))


def onset_strength(samples: Samples) -> Array:
    """How much louder each band becomes: `(F, BANDS)`, every 10 ms; level does not matter."""
    window = np.hanning(WINDOW).astype(np.float32)
    cut = frames(samples, WINDOW, HOP)
    filters = _filters()
    levels = np.concatenate(
        [
            np.abs(np.fft.rfft(cut[first : first + BLOCK_FRAMES] * window)).astype(np.float32)
            @ filters
            for first in range(0, len(cut), BLOCK_FRAMES)
        ]
    )
    loudest = levels.max()
    loudness = np.log1p(COMPRESSION / loudest * levels) if loudest > 1e-6 else 0 * levels
    rises: Array = np.maximum(loudness[RISE_FRAMES:] - loudness[:-RISE_FRAMES], 0)
    return rises


def autocorrelation(onsets: Array) -> Array:
    """How onsets `(F, BANDS)` repeat after each lag: `(groups + 1, LONGEST_LAG + 1)`, 1 at lag 0.

    Each group of bands by itself, summed over its bands; last, all bands' onsets together.
    """
    groups = np.searchsorted(GROUP_EDGES, _centers()) - 1
    total = np.zeros((len(GROUP_EDGES), LONGEST_LAG + 1))
    last = max(1, len(onsets) - CORRELATED_FRAMES + 1)
    for first in range(0, last, CORRELATION_HOP):
        piece = onsets[first : first + CORRELATED_FRAMES]
        piece = np.concatenate([piece, piece.sum(axis=1, keepdims=True)], axis=1)
        piece = piece - piece.mean(axis=0)
        length = len(piece)
        size = 1 << (2 * length).bit_length()
        power = np.square(np.abs(np.fft.rfft(piece, size, axis=0)))  # (frequencies, BANDS + 1)
        by_group = [
            power[:, :-1][:, groups == group].sum(axis=1) for group in range(max(groups) + 1)
        ]
        repeated = np.fft.irfft(np.stack([*by_group, power[:, -1]]), size)[:, : LONGEST_LAG + 1]
        lags = np.arange(min(length, LONGEST_LAG + 1))
        # Long lags have few products: they are averages, but of so few that they are damped.
        total[:, lags] += repeated[:, lags] / np.maximum(length - lags, 0.15 * length)
    return total / np.maximum(total[:, :1], 1e-12)


def features(repetition: Array) -> Array:
    """Features of each candidate: `(candidates, len(FRACTIONS) * groups + 2)`."""
    periods = 60 * FRAME_RATE / CANDIDATES
    repeated = [
        np.max(
            [_interpolate(repetition, fraction * slack * periods) for slack in TOLERANCES], axis=0
        )
        for fraction in FRACTIONS
    ]
    octaves = np.log2(CANDIDATES / USUAL)
    return np.concatenate([*repeated, [octaves, octaves**2]]).T


def _interpolate(repetition: Array, lags: Array) -> Array:
    """Repetition `(groups, lags)` between whole lags, by interpolation; 0 beyond the longest."""
    whole = np.clip(lags.astype(int), 0, LONGEST_LAG - 1)
    part = lags - whole
    between = repetition[:, whole] * (1 - part) + repetition[:, whole + 1] * part
    return np.where(lags < LONGEST_LAG, between, 0.0)


def _refine_period(repetition: Array, period: float) -> float:
    """A period (frames) to a fraction of a frame: where its multiples repeat best."""
    periods = period * np.linspace(0.97, 1.03, 121)
    multiples = [m for m in (1, 2, 4, 8) if m * period < LONGEST_LAG]
    return float(
        periods[
            np.sum(
                [_interpolate(repetition[None], m * periods)[0] for m in multiples], axis=0
            ).argmax()
        ]
    )


def _centers() -> Array:
    return np.geomspace(LOWEST, HIGHEST, BANDS + 2)[1:-1]


def _filters() -> Samples:
    """Triangles with their feet on their neighbours' tips: `(WINDOW // 2 + 1, BANDS)`."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    edges = np.geomspace(LOWEST, HIGHEST, BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    up = (frequencies - low) / (centre - low)
    down = (high - frequencies) / (high - centre)
    triangles = np.clip(np.minimum(up, down), 0, None)
    # The lowest bands are narrower than the distance of frequencies: they take the nearest.
    empty = np.flatnonzero(triangles.sum(axis=0) == 0)
    triangles[np.abs(frequencies - centre[empty]).argmin(axis=0), empty] = 1
    filters: Samples = (triangles / triangles.sum(axis=0)).astype(np.float32)
    return filters
