"""Losses that need no model: what is worse than them has learned nothing yet.

Shapes: K codebooks, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SMOOTHING = 0.5
"""Added to each count, after Krichevsky and Trofimov: a code never seen stays possible."""


@dataclass(frozen=True)
class Baselines:
    """Cross-entropies in nats, means over the codebooks."""

    uniform: float
    """Of guessing: every code is equally likely."""
    table: float
    """Of a table of how frequent each code is in the training songs, on the held-out ones."""


def measure_baselines(
    training: Sequence[Tensor], held_out: Sequence[Tensor], codebook_size: int
) -> Baselines:
    """Measure what can be had from counting.

    Args:
        training: codes (K, T) of at least one song.
        held_out: codes (K, T) of at least one other.
        codebook_size: number of the codes.
    """
    known, new = (torch.cat(list(songs), 1).long() for songs in (training, held_out))
    losses = []
    for codes, others in zip(known, new, strict=True):
        counts = torch.bincount(codes, minlength=codebook_size).double() + SMOOTHING
        shares = counts / counts.sum()
        losses.append(-shares[others].log().mean())
    return Baselines(math.log(codebook_size), float(torch.stack(losses).mean()))
