"""How fast the memory lets a token step be: each reads every weight once.

A step of few rows does two operations for each weight that it reads, so it is bound by memory. The
share of that limit which is reached compares machines and peers better than a ratio does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from songloom.models.layers import HalfLinear
from songloom.models.lm import LM

READ_BYTES = 2**30
"""More than caches hold."""
READ_ROUNDS = 7


def read_bandwidth(size: int = READ_BYTES, rounds: int = READ_ROUNDS) -> float:
    """Bytes a second that PyTorch's threads read from memory: the best of two ways of reading."""
    table = torch.ones(size // 4).view(-1, 4096)
    vector = torch.ones(table.shape[1])
    ways: tuple[Callable[[], object], ...] = (table.sum, lambda: torch.mv(table, vector))
    best = min(_seconds_of(way) for _ in range(rounds) for way in ways)
    return table.numel() * table.element_size() / best


def _seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bytes_per_step(lm: LM) -> int:
    """Bytes of weights that a token step reads, of however few rows.

    Keys and values of the text are computed once, and of embeddings a step reads single rows.
    """
    return sum(
        _bytes_of(layer)
        for part in (*lm.blocks, lm.heads)
        for name, layer in part.named_modules()
        if name != "cross.kv"
    )


def _bytes_of(layer: nn.Module) -> int:
    if isinstance(layer, HalfLinear):
        return 2 * layer.in_features * layer.out_features
    if isinstance(layer, nn.Linear):
        return layer.weight.numel() * layer.weight.element_size()
    return 0


def share_of_limit(weights: int, bandwidth: float, seconds: float) -> float:
    """Share of the speed that reading the weights would allow: 1 where a step does nothing else."""
    return weights / bandwidth / seconds
