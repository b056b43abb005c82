"""Excerpts of songs with their tokens: what goes into a codec, and what it makes of it.

Shapes: C channels, N samples, K codebooks (all channels together), T frames.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from songloom.models.codec import Codec

CONTEXT = 50
"""Frames to either side that are decoded as well: the codec's networks see beyond a frame."""


@dataclass(frozen=True, eq=False)
class CodedExcerpt:
    """An excerpt of a song."""

    title: str
    """Of the song."""
    samples: Tensor
    """(C, N) as they were coded; N is a whole number of frames."""
    codes: Tensor
    """(K, T) of the excerpt and what is around it."""
    lead: int
    """Frames of the codes before the excerpt."""

    def decode(self, codec: Codec) -> Tensor:
        """The samples (C, N) that a codec makes of its codes, on the CPU."""
        start, length = self.lead * codec.hop, self.samples.shape[-1]
        return codec.decode(self.codes.long()).cpu()[:, start : start + length]


def cut_excerpt(title: str, samples: Tensor, codes: Tensor, start: int, hop: int) -> CodedExcerpt:
    """Take an excerpt's codes out of those of its song.

    Args:
        title: of the song.
        samples: (C, N) of the excerpt.
        codes: (K, T) of the whole song.
        start: frame at which the excerpt begins.
        hop: samples of a frame.
    """
    first, last = max(0, start - CONTEXT), start + samples.shape[-1] // hop + CONTEXT
    return CodedExcerpt(title, samples, codes[:, first:last].clone(), start - first)
