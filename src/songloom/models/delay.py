"""The delay pattern: codebook `k` of a frame is predicted `delays[k]` steps after the frame begins.

Source: "Simple and Controllable Music Generation" (Copet et al., 2023), section 2.2. A delayed
sequence starts with one step of special tokens, so frame `t` of codebook `k` stands at step
`1 + t + delays[k]`; every place that no frame reaches holds the special token.
"""

from __future__ import annotations

import torch
from torch import Tensor


def delays_for(num_codebooks: int, channels: int) -> tuple[int, ...]:
    """Delays of MusicGen: one step a codebook, left and right of stereo together."""
    return tuple(k // channels for k in range(num_codebooks))


def sequence_length(frames: int, delays: tuple[int, ...]) -> int:
    """Steps of the delayed sequence that holds `frames` frames, the first special step included."""
    return 1 + frames + max(delays)


def apply_delay(codes: Tensor, delays: tuple[int, ...], special: int) -> Tensor:
    """Codes `(..., K, T)` -> delayed sequence `(..., K, 1 + T + max(delays))`."""
    frames = codes.shape[-1]
    sequence = codes.new_full((*codes.shape[:-1], sequence_length(frames, delays)), special)
    for k, delay in enumerate(delays):
        sequence[..., k, 1 + delay : 1 + delay + frames] = codes[..., k, :]
    return sequence


def undo_delay(sequence: Tensor, delays: tuple[int, ...]) -> Tensor:
    """Delayed sequence `(..., K, S)` -> codes `(..., K, S - 1 - max(delays))`."""
    frames = sequence.shape[-1] - 1 - max(delays)
    rows = [sequence[..., k, 1 + delay : 1 + delay + frames] for k, delay in enumerate(delays)]
    return torch.stack(rows, dim=-2)
