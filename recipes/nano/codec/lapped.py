"""Overlapping frames and the modified discrete cosine transform, as EnCodec's layers lay them.

Frame t of a signal covers `SPAN` samples around its own `HOP` samples. At the ends a signal is
mirrored block by block, which is what reflecting convolutions do with blocks as channels.

Source of the transform: "Analysis/synthesis filter bank design based on time domain aliasing
cancellation" (Princen and Bradley, 1986).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

HOP = 640  # samples from frame to frame: 50 frames a second at 32 kHz
SPAN = 2 * HOP
BLOCK = 160  # samples that EnCodec's second slowest layers hold side by side
MARGIN = HOP // 2  # samples of a frame before and after its own


def cosine_basis() -> Tensor:
    """Windowed cosines (SPAN, HOP): orthogonal over all overlapping frames."""
    n = torch.arange(SPAN, dtype=torch.float64)[:, None]
    k = torch.arange(HOP, dtype=torch.float64)[None]
    window = torch.sin(math.pi * (n + 0.5) / SPAN)
    waves = torch.cos(math.pi / HOP * (n + 0.5 + HOP / 2) * (k + 0.5))
    return (window * waves * math.sqrt(2 / HOP)).float()


def split_frames(audio: Tensor) -> Tensor:
    """(B, N) -> (B, N / HOP, SPAN); N is a multiple of HOP."""
    blocks = audio.unflatten(1, (-1, BLOCK)).transpose(1, 2)
    margin = MARGIN // BLOCK
    padded = F.pad(blocks, (margin, margin), mode="reflect").transpose(1, 2).flatten(1)
    return padded.unfold(1, SPAN, HOP)


def overlap_frames(frames: Tensor) -> Tensor:
    """Add up (B, T, SPAN) where they overlap: (B, T * HOP)."""
    first, second = frames.split(HOP, dim=2)
    audio = F.pad(first.flatten(1), (0, HOP)) + F.pad(second.flatten(1), (HOP, 0))
    return audio[:, MARGIN:-MARGIN]
