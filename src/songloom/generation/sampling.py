"""From logits to tokens, one request never depending on another.

Each draw uses one uniform number that belongs to its request, frame and codebook (inverse
transform sampling), so a token does not change with the batch it is drawn in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from songloom.errors import ModelError


@dataclass(frozen=True)
class SamplingParams:
    """How tokens are drawn."""

    top_k: int = 250
    """Only the k likeliest tokens; 0 for all."""
    top_p: float = 0.0
    """Only the likeliest tokens that reach probability p together; above 0 it wins over top_k."""
    temperature: float = 1.0
    """Logits are divided by it; 0 takes the likeliest token."""


def sample(logits: Tensor, params: SamplingParams, uniforms: Tensor) -> Tensor:
    """Draw one token for each row.

    Args:
        logits: (N, V) float32.
        params: the same for all rows.
        uniforms: (N,) numbers in [0, 1).

    Returns:
        (N,) tokens.
    """
    if not logits.amax().isfinite():  # NaN, too: amax passes it on
        raise ModelError(
            "the model's predictions are not finite numbers: its weights are damaged, or its "
            "training went wrong; download or train it again, or use another model"
        )
    if params.temperature == 0:
        return logits.argmax(dim=-1)
    # Of all logits only differences count; from the largest down, none overflows.
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / params.temperature
    if params.top_p > 0:
        logits, tokens = logits.sort(dim=-1, descending=True)
        probabilities = logits.softmax(dim=-1)
        before = probabilities.cumsum(dim=-1) - probabilities
        # The likeliest token always stays: nothing stands before it.
        probabilities = probabilities.masked_fill(before > params.top_p, 0.0)
    else:
        # All of them, where no k is asked for: sorting does not change what is drawn from.
        k = min(params.top_k, logits.shape[-1]) or logits.shape[-1]
        logits, tokens = logits.topk(k, dim=-1)
        probabilities = logits.softmax(dim=-1)
    reached = probabilities.cumsum(dim=-1)
    target = uniforms[:, None] * reached[:, -1:]
    choice = torch.searchsorted(reached, target, right=True)
    choice = choice.clamp(max=(probabilities > 0).sum(dim=-1, keepdim=True) - 1)
    return tokens.gather(-1, choice)[:, 0]


def guide(conditional: Tensor, null: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: away from what the model says without conditions.

    Source: "Classifier-Free Diffusion Guidance" (Ho and Salimans, 2022).
    """
    return null + (conditional - null) * scale
