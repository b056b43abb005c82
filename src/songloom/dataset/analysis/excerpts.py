"""The parts of a song that are listened to: enough to judge it, and little of a long one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from songloom.audio.files import Audio
from songloom.audio.transforms import resample, to_mono

Samples = npt.NDArray[np.float32]

RATE = 16_000
"""Hz at which songs are listened to: pulse, pitch and voice lie below 8 kHz."""
EXCERPTS = 3
EXCERPT_SECONDS = 60.0


def excerpts(audio: Audio) -> list[Samples]:
    """Give mono excerpts `(N,)` at `RATE`: the whole of a song of up to three minutes.

    Of a longer one, its first and its last minute and one from the middle; no more of it is read.
    Samples that are not numbers count as silence.
    """
    length = audio.samples.shape[1]
    most = round(EXCERPT_SECONDS * audio.sample_rate)
    if length <= EXCERPTS * most:
        spans = [(0, length)]
    else:
        starts = [round(i * (length - most) / (EXCERPTS - 1)) for i in range(EXCERPTS)]
        spans = [(start, start + most) for start in starts]
    return [_resample_excerpt(audio, first, last) for first, last in spans]


def frames(samples: Samples, window: int, hop: int) -> Samples:
    """Give overlapping frames `(F, window)`, centred on every `hop`-th sample; a view."""
    padded = np.pad(samples, window // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def _resample_excerpt(audio: Audio, first: int, last: int) -> Samples:
    mono = to_mono(audio.samples[:, first:last].nan_to_num(0, 0, 0))
    samples: Samples = resample(mono, audio.sample_rate, RATE)[0].numpy()
    return samples
