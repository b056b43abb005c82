"""Voice: whether somebody sings, by how the pitches of partials move.

A singer's partials waver together, four to eight times a second, and glide from note to note
(L. Regnier and G. Peeters, "Singing voice detection in music tracks using direct voice vibrato
detection", ICASSP 2009); most instruments hold their pitch. It is a weak sign, and answers only
where it is clear: it takes a violin that wavers throughout for a voice, and does not hear a voice
that neither wavers nor glides, or one below loud instruments. A tagging model knows more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from songloom.dataset.analysis.excerpts import RATE, Samples, frames

Array = npt.NDArray[np.floating]

SPANS, SPAN_SECONDS = 3, 5.0
"""So much is listened to, at equal distances."""

WINDOW = 1024  # 64 ms: short beside a waver
HOP = 320
FRAME_RATE = RATE / HOP
LOWEST, HIGHEST = 180.0, 3500.0  # Hz
PARTIALS = 8  # of a frame, the loudest
FAINTEST = 0.03  # of a frame's loudest
SILENCE = 1e-2  # magnitude: about -90 dB
LINK = 0.6  # semitones from frame to frame
SHORTEST_TRACK = 10  # frames: 0.2 s

MOVING = 0.35  # semitones between a track's 10th and 90th percentile
WAVER_FRAMES = 20  # 0.4 s: two wavers
SLOWEST_WAVER, FASTEST_WAVER = 4.0, 8.0  # Hz
WAVER_SHARE = 0.6  # of a pitch's movement
LEAST_WAVER, MOST_WAVER = 0.2, 2.0  # semitones to either side

LEAST_FRAMES = 500  # of tracks, to say anything
VOCAL_WAVERING = 0.2
"""Share of wavering partials from which on it is a voice: 200 pieces for the embedded model's
instruments, some of which waver too, have 0.14 at most."""
INSTRUMENTAL_STEADY = 0.85
"""Share of all peaks that lie in partials which hold their pitch, from which on nobody sings: with
a synthetic singer at half the instruments' level it was 0.81 at most, even with one who does not
waver. Drums and chords lower it, so that nothing is said of most pieces."""
INSTRUMENTAL_CONFIDENCE = 0.6


@dataclass(frozen=True)
class Voice:
    """Whether somebody sings."""

    word: str
    """"vocal" or "instrumental"."""
    confidence: float
    """A guess, never above 0.7: no recording with a real singer was at hand to measure on."""


def voice(excerpts: Sequence[Samples]) -> Voice | None:
    """Hear a voice in excerpts `(N,)` at `RATE`; None where it is not clear."""
    tracks = [np.array(track) for span in _spans(excerpts) for track in partials(span)]
    peaks = sum(map(len, tracks))
    tracks = [track for track in tracks if len(track) >= SHORTEST_TRACK]
    total = sum(map(len, tracks))
    if total < LEAST_FRAMES:
        return None
    wavering = sum(len(track) for track in tracks if _wavers(track)) / total
    if wavering >= VOCAL_WAVERING:
        return Voice("vocal", min(0.7, 0.5 + wavering - VOCAL_WAVERING))
    steady = sum(len(track) for track in tracks if not _moves(track)) / peaks
    if wavering == 0 and steady >= INSTRUMENTAL_STEADY:
        return Voice("instrumental", INSTRUMENTAL_CONFIDENCE)
    return None


def partials(samples: Samples) -> list[list[float]]:
    """Follow the loudest spectral peaks: for each partial, its pitch in semitones, by frames."""
    cut = frames(samples, WINDOW, HOP)
    spectra = np.abs(np.fft.rfft(cut * np.hanning(WINDOW).astype(np.float32)))
    low, high = (round(hertz * WINDOW / RATE) for hertz in (LOWEST, HIGHEST))
    left, here, right = (spectra[:, low + i : high + i] for i in (-1, 0, 1))
    top = (here > left) & (here >= right) & (here > SILENCE)
    top &= here > FAINTEST * here.max(axis=1, keepdims=True)
    live: list[list[float]] = []
    ended: list[list[float]] = []
    for frame in range(len(spectra)):
        bins = np.flatnonzero(top[frame])
        bins = bins[np.argsort(here[frame, bins])[-PARTIALS:]]
        below, peak, above = (np.log(part[frame, bins] + 1e-12) for part in (left, here, right))
        shift = 0.5 * (below - above) / (below - 2 * peak + above)
        pitches = 12 * np.log2((low + bins + shift) * WINDOW)
        live, over = _link_tracks(live, pitches)
        ended += over
    return ended + live


def _link_tracks(
    live: list[list[float]], pitches: Array
) -> tuple[list[list[float]], list[list[float]]]:
    """Go on with tracks whose last pitch and a new one are each other's nearest; end the others."""
    if not live or not len(pitches):
        return [[float(pitch)] for pitch in pitches], live
    distances = np.abs(np.array([track[-1] for track in live])[:, None] - pitches)
    nearest, back = distances.argmin(axis=1), distances.argmin(axis=0)
    going, over, taken = [], [], set()
    for index, track in enumerate(live):
        pitch = int(nearest[index])
        if back[pitch] == index and distances[index, pitch] < LINK:
            track.append(float(pitches[pitch]))
            taken.add(pitch)
            going.append(track)
        else:
            over.append(track)
    new = [[float(pitch)] for index, pitch in enumerate(pitches) if index not in taken]
    return going + new, over


def _moves(track: Array) -> bool:
    low, high = np.percentile(track, [10, 90])
    return bool(high - low > MOVING)


def _wavers(track: Array) -> bool:
    length = len(track)
    if length < WAVER_FRAMES:
        return False
    time = np.arange(length)
    around = track - np.polyval(np.polyfit(time, track, 1), time)
    extent = around.std() * np.sqrt(2)
    size = max(256, length)
    power = np.abs(np.fft.rfft(around * np.hanning(length), size)) ** 2
    hertz = np.fft.rfftfreq(size, 1 / FRAME_RATE)
    waver = power[(hertz > SLOWEST_WAVER) & (hertz < FASTEST_WAVER)].sum()
    share = waver / max(power[hertz > 1].sum(), 1e-12)
    return bool(share > WAVER_SHARE and LEAST_WAVER < extent < MOST_WAVER)


def _spans(excerpts: Sequence[Samples]) -> list[Samples]:
    """`SPANS` pieces of the excerpts, or all of them if they are shorter."""
    whole = np.concatenate(excerpts)
    length = round(SPAN_SECONDS * RATE)
    if len(whole) <= SPANS * length:
        return [whole]
    starts = np.linspace(0, len(whole) - length, SPANS + 2)[1:-1].astype(int)
    return [whole[start : start + length] for start in starts]
