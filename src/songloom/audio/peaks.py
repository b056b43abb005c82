"""The outline of a sound, for drawing its waveform."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from songloom.audio.decoding import decode_blocks

PEAKS = 400
"""Points of an outline: about as many as a picture of it has columns."""
_PARTS_PER_SECOND = 2000
"""How finely a sound is looked at before it is known how long it is."""


@dataclass(frozen=True)
class Outline:
    """How loud a sound is over its course."""

    seconds: float
    peaks: tuple[float, ...]
    """The largest magnitude of each part, over all channels, from 0 to 1; parts are equally long,
    and fewer than `PEAKS` in a very short sound."""
    rms: tuple[float, ...]
    """Root mean square of the same parts, over all channels, from 0 to 1."""


def outline(path: Path) -> Outline:
    """Look at an audio file of any length, and keep little of it.

    Raises:
        AudioError: it can't be read, or is damaged.
    """
    parts: list[npt.NDArray[np.float32]] = []
    powers: list[npt.NDArray[np.float32]] = []
    rest = rest_power = np.zeros(0, np.float32)
    length = rate = 0
    for samples, rate in decode_blocks(path):
        length += samples.shape[1]
        step = max(1, rate // _PARTS_PER_SECOND)
        loud = np.concatenate([rest, np.abs(samples).max(axis=0)])
        power = np.concatenate([rest_power, np.square(np.clip(samples, -1, 1)).mean(axis=0)])
        whole = len(loud) // step * step
        parts.append(loud[:whole].reshape(-1, step).max(axis=1))
        powers.append(power[:whole].reshape(-1, step).mean(axis=1))
        rest, rest_power = loud[whole:], power[whole:]
    if len(rest):
        parts.append(rest.max(keepdims=True))
        powers.append(rest_power.mean(keepdims=True))
    fine = np.minimum(np.concatenate(parts), np.float32(1))
    starts = np.linspace(0, len(fine), min(PEAKS, len(fine)), endpoint=False).astype(int)
    peaks = np.maximum.reduceat(fine, starts)
    counts = np.diff(np.append(starts, len(fine)))
    power = np.minimum(np.add.reduceat(np.concatenate(powers), starts) / counts, 1)
    return Outline(length / rate, _round_values(peaks), _round_values(np.sqrt(power)))


def _round_values(values: npt.NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
