"""Excerpts of a song beside its tokens: what the codec was given, to compare with what it kept.

A song's file may be gone when a model is trained on its tokens, or hold vocals that were removed
before it was coded. So some of the very samples that were coded are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MOST_EXCERPTS = 3
EXCERPT_SECONDS = 10.0
_FULL_SCALE = 32_767


@dataclass(frozen=True, eq=False)
class Excerpts:
    """Stretches of one song."""

    starts: Tensor
    """int64 (E,) the frames at which they begin."""
    samples: Tensor
    """int16 (E, C, N) at the codec's sample rate; N is a whole number of frames."""

    def waveform(self, index: int) -> Tensor:
        """The samples (C, N) of an excerpt as float32 from -1 to 1."""
        return self.samples[index].float() / _FULL_SCALE


def take_excerpts(samples: Tensor, hop: int, sample_rate: int) -> Excerpts:
    """Take excerpts of a song, spread evenly over it; one that is short is taken whole.

    Args:
        samples: (C, N) as they are coded.
        hop: samples of a frame; N / hop, rounded up, is the number of frames.
        sample_rate: Hz.
    """
    channels, length = samples.shape
    frames = length // hop
    wanted = round(EXCERPT_SECONDS * sample_rate / hop)
    size = min(wanted, frames)
    count = min(MOST_EXCERPTS, max(1, frames // wanted))
    starts = [round((i + 0.5) * frames / count - size / 2) for i in range(count)]
    taken = torch.empty(count, channels, size * hop, dtype=torch.int16)
    for i, start in enumerate(starts):
        piece = samples[:, start * hop : (start + size) * hop]
        taken[i] = (piece.clamp(-1, 1) * _FULL_SCALE).round()
    return Excerpts(torch.tensor(starts), taken)
