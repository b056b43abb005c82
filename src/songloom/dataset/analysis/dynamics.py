"""Dynamics: words for how loud a song is, and for how much that changes.

Levels are those of ITU-R BS.1770-4; the range is that of EBU Tech 3342: what lies between the 10th
and the 95th percentile of the loudness of three-second blocks, of which the quietest do not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from songloom.audio.files import Audio
from songloom.audio.loudness import block_loudness

BLOCK_SECONDS = 3.0
HOP_SECONDS = 1.0
MOST_BLOCKS = 60
"""Of a longer song, so many blocks are heard, at equal distances."""

SILENCE = -70.0  # LUFS
LEVEL_GATE, RANGE_GATE = -10.0, -20.0  # LU below the mean
QUIET = -23.0  # LUFS: below what broadcasters aim at (EBU R 128)
LOUD = -11.0  # LUFS: only a limiter makes music louder than this
STEADY, CHANGING = 4.0, 12.0  # LU
LEAST_BLOCKS = 12  # to speak of a range
CERTAIN = 6.0  # LU beyond a threshold


@dataclass(frozen=True)
class Dynamics:
    """Words for level and range, where they are remarkable."""

    words: str
    """Such as "loud, steady"; "quiet" or "loud", "steady" or "dynamic", or one of each."""
    confidence: float
    """From 0.5 on a threshold to 1 far beyond it; of two words, the lesser."""


def dynamics(audio: Audio) -> Dynamics | None:
    """Hear the dynamics of a song; None where they are unremarkable, or there is silence.

    A song made as loud as others on purpose tells nothing by its level: this is about files.
    """
    if audio.seconds < BLOCK_SECONDS:
        return None
    levels = block_levels(audio)
    levels = levels[levels > SILENCE]
    if len(levels) == 0:
        return None
    mean = _mean(levels)
    level = _mean(levels[levels > mean + LEVEL_GATE])
    found = []
    if level < QUIET:
        found.append(("quiet", QUIET - level))
    elif level > LOUD:
        found.append(("loud", level - LOUD))
    if len(levels) >= LEAST_BLOCKS:
        quieter, louder = np.percentile(levels[levels > mean + RANGE_GATE], [10, 95])
        range_ = float(louder - quieter)
        if range_ < STEADY:
            found.append(("steady", STEADY - range_))
        elif range_ > CHANGING:
            found.append(("dynamic", range_ - CHANGING))
    if not found:
        return None
    beyond = min(distance for _, distance in found)
    words = ", ".join(word for word, _ in found)
    return Dynamics(words, 0.5 + 0.5 * min(1.0, beyond / CERTAIN))


def block_levels(audio: Audio) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The loudness of blocks of a song in LUFS: `(blocks,)`."""
    length = audio.samples.shape[1]
    block = round(BLOCK_SECONDS * audio.sample_rate)
    blocks = 1 + int((length - block) / (HOP_SECONDS * audio.sample_rate))
    starts = np.linspace(0, length - block, min(blocks, MOST_BLOCKS)).astype(int)
    return np.array(
        [
            block_loudness(
                audio.samples[:, start : start + block].nan_to_num(0, 0, 0), audio.sample_rate
            )
            for start in starts
        ]
    )


def _mean(levels: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return 10 * math.log10(float(np.mean(10 ** (levels / 10))))
