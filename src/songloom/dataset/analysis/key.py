"""Key: tonic and mode, from the pitches of a song and from the chord that it opens with.

Spectral peaks are folded to pitch classes with the song's own tuning, and each as possible
harmonics of lower notes: E. Gómez, "Tonal description of polyphonic audio" (2006). Keys are judged
by three things: the set of notes that they hold (H. C. Longuet-Higgins and M. Steedman, "On
interpreting Bach", 1971, who let the opening decide between the keys that share a set, as is done
here), and the profiles of C. Krumhansl and E. Kessler ("Tracing the dynamic changes in perceived
tonal organization", 1982). Dorian counts as minor and mixolydian as major.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from songloom.dataset.analysis.excerpts import RATE, Samples, frames

Array = npt.NDArray[np.floating]

WINDOW = 8192  # half a second: semitones apart from 65 Hz on
HOP = 4096
BLOCK_FRAMES = 256
LOWEST, HIGHEST = 60.0, 4000.0  # Hz
LOWEST_PITCH, HIGHEST_PITCH = 30, 96  # MIDI
FAINTEST = 0.01  # of a frame's loudest peak
SILENCE = 1e-3  # magnitude under which a peak is none: about -120 dB
HARMONICS = 4
HARMONIC_DECAY = 0.6
OPENING_FRAMES = 4  # one second

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MAJOR, MINOR = "major", "minor"
SCALES = {
    MAJOR: ((0, 2, 4, 5, 7, 9, 11), (0, 2, 4, 5, 7, 9, 10)),  # the second: mixolydian
    MINOR: ((0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10)),  # the second: dorian
}
TRIADS = {MAJOR: (0, 4, 7), MINOR: (0, 3, 7)}
PROFILES = {
    MAJOR: (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    MINOR: (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
TRIAD_WEIGHT, TONIC_WEIGHT = 0.3, 0.15  # beside 1 for each note of the scale
RARER_SCALE = 0.05  # what dorian and mixolydian have to be better by
PROFILE_SHARE = 0.3
OPENING_WEIGHT = 0.3
SHORTEST_SECONDS = 2.0
LEAST_PEAKS = 50
LEAST_CLARITY = 0.08  # noise and drums have 0.02, the composer's pieces 0.12 at least
LEAST_FIT = 0.3
"""Score below which there is no key."""


@dataclass(frozen=True)
class Key:
    """The key of a song."""

    name: str
    """Tonic and mode: "F# minor"."""
    confidence: float
    """From 0 to 1: how far the next best key is behind."""


def key(excerpts: Sequence[Samples]) -> Key | None:
    """Hear the key of excerpts `(N,)` at `RATE`; None where no key fits."""
    if sum(map(len, excerpts)) < SHORTEST_SECONDS * RATE:
        return None
    per_excerpt = [peaks(excerpt) for excerpt in excerpts]
    pitches, weights, _ = (np.concatenate(parts) for parts in zip(*per_excerpt, strict=True))
    if len(pitches) < LEAST_PEAKS:
        return None
    off, clarity = measure_tuning(pitches, weights)
    if clarity < LEAST_CLARITY:
        return None
    pitches = pitches - off
    first = per_excerpt[0][2].min() if len(per_excerpt[0][2]) else 0
    opening = np.arange(len(pitches)) < np.searchsorted(per_excerpt[0][2], first + OPENING_FRAMES)
    scores = fits(
        pitch_classes(pitches, weights), pitch_classes(pitches[opening], weights[opening])
    )
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    best, second = scores[ranked[0]], scores[ranked[1]]
    if best < LEAST_FIT:
        return None
    return Key(ranked[0], confidence(best - second))


def peaks(samples: Samples) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """Find the peaks of the spectra: MIDI pitches, weights up to 1 and frames, each `(peaks,)`."""
    window = np.hanning(WINDOW).astype(np.float32)
    low, high = (round(hertz * WINDOW / RATE) for hertz in (LOWEST, HIGHEST))
    cut = frames(samples, WINDOW, HOP)
    found = []
    for first in range(0, len(cut), BLOCK_FRAMES):
        spectra = np.abs(np.fft.rfft(cut[first : first + BLOCK_FRAMES] * window))
        left, here, right = (spectra[:, low + i : high + i] for i in (-1, 0, 1))
        loudest = here.max(axis=1, keepdims=True)
        top = (here > left) & (here >= right) & (here > FAINTEST * loudest) & (here > SILENCE)
        frame, bin_ = np.nonzero(top)
        # The top of the parabola through three logarithms is the frequency of a Hann-windowed sine.
        below, peak, above = (np.log(part[top] + 1e-12) for part in (left, here, right))
        shift = 0.5 * (below - above) / (below - 2 * peak + above)
        hertz = (low + bin_ + shift) * RATE / WINDOW
        pitch = 69 + 12 * np.log2(hertz / 440)
        found.append((pitch, here[top] / loudest[frame, 0], frame + first))
    pitches, weights, frame = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return pitches, weights, frame


def measure_tuning(pitches: Array, weights: Array) -> tuple[float, float]:
    """How far a song is off 440 Hz, in semitones from -0.5 to 0.5, and how clearly, from 0 to 1.

    The mean on a circle, and its length: near 0 where peaks lie anywhere, as those of noise do.
    """
    mean = np.sum(weights * np.exp(2j * np.pi * pitches)) / weights.sum()
    return float(np.angle(mean)) / (2 * np.pi), float(np.abs(mean))


def pitch_classes(pitches: Array, weights: Array) -> Array:
    """Fold peaks, tuned, to twelve pitch classes from C; the root evens out their loudness."""
    folded = np.zeros(12)
    for harmonic in range(1, HARMONICS + 1):
        roots = pitches - 12 * np.log2(harmonic)
        near = np.rint(roots)
        share = weights * HARMONIC_DECAY ** (harmonic - 1) * np.cos(np.pi * (roots - near)) ** 2
        kept = (roots > LOWEST_PITCH) & (roots < HIGHEST_PITCH)
        folded += np.bincount(near[kept].astype(int) % 12, share[kept], minlength=12)
    return np.sqrt(folded)


def fits(whole: Array, opening: Array) -> dict[str, float]:
    """How well each of the 24 keys fits the pitch classes of a song and of its opening."""
    return {
        f"{name} {mode}": _fit(np.roll(whole, -tonic), np.roll(opening, -tonic), mode)
        for mode in SCALES
        for tonic, name in enumerate(PITCH_CLASSES)
    }


def _fit(whole: Array, opening: Array, mode: str) -> float:
    triad = _indicator(TRIADS[mode])
    accents = TRIAD_WEIGHT * triad + TONIC_WEIGHT * _indicator((0,))
    usual, rarer = (_correlation(whole, _indicator(scale) + accents) for scale in SCALES[mode])
    scale = max(usual, rarer - RARER_SCALE)
    profile = _correlation(whole, np.array(PROFILES[mode]))
    return (
        (1 - PROFILE_SHARE) * scale
        + PROFILE_SHARE * profile
        + OPENING_WEIGHT * _correlation(opening, triad)
    )


def confidence(margin: float) -> float:
    """The chance that a key is right, by its lead over the next best.

    Of 200 pieces of the embedded model's composer, 62 % were right where it is below 0.6, 80 % from
    0.6 to 0.7, 91 % from 0.7 to 0.8, and 98 % above that.
    """
    return float(np.clip(0.5 + 2.0 * margin, 0, 0.95))


def _indicator(classes: Sequence[int]) -> Array:
    return np.isin(np.arange(12), classes).astype(float)


def _correlation(first: Array, second: Array) -> float:
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size > 1e-9 else 0.0
