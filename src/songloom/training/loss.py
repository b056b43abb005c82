"""The loss: cross-entropy of every codebook, without ever holding all logits.

For 30 s windows of the official models, logits are the largest tensor of a training: B x 1504 steps
x 8192. Here they are made a few hundred steps at a time, and their gradient with respect to the
states is taken at once, while they are there.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

CHUNK = 512
"""Steps whose logits exist at the same time."""


def cross_entropy(
    states: Tensor, weight: Tensor, targets: Tensor, ignored: int, totals: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats, summed over the steps and divided by `totals`.

    Args:
        states: (B, S, D), what the heads read.
        weight: (K * V, D) of the heads.
        targets: (B, K, S) tokens that the steps are to predict.
        ignored: the target that does not count.
        totals: (K,) what to divide by: the targets that count in the whole batch, of which this
            may be a part.

    Returns:
        The mean over the codebooks, which can be derived, and that of each codebook, (K,), which
        cannot.
    """
    per_step = targets.transpose(1, 2).flatten(0, 1)  # (B * S, K)
    # Under autocast the heads multiply in half precision, as any linear layer would.
    device = states.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
    both = _HeadsAndLoss.apply(  # type: ignore[no-untyped-call]
        states.flatten(0, 1), weight, per_step, ignored, totals, dtype
    )
    return cast("tuple[Tensor, Tensor]", both)


class _HeadsAndLoss(torch.autograd.Function):
    """Heads and cross-entropy in one, for chunks of steps; gradients come with the losses."""

    @staticmethod
    def forward(
        context: Any,
        states: Tensor,
        weight: Tensor,
        targets: Tensor,
        ignored: int,
        totals: Tensor,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        losses = torch.zeros(targets.shape[1], device=states.device)
        wanted = [context.needs_input_grad[0], context.needs_input_grad[1]]
        states_grad = torch.empty_like(states) if wanted[0] else None
        weight_grad = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        heads = weight.to(dtype)
        with torch.autocast(states.device.type, enabled=False):
            for start in range(0, len(states), CHUNK):
                chunk = slice(start, start + CHUNK)
                rows = states[chunk].to(dtype)
                losses += _chunk(
                    rows, heads, targets[chunk], ignored, totals, chunk, states_grad, weight_grad
                )
        context.save_for_backward(states_grad, weight_grad)
        context.weight_dtype = weight.dtype
        context.mark_non_differentiable(losses)
        return losses.mean(), losses

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        factor = gradients[0]
        states_grad, weight_grad = context.saved_tensors
        scaled = None if states_grad is None else states_grad * factor.to(states_grad.dtype)
        of_weight = None if weight_grad is None else (weight_grad * factor).to(context.weight_dtype)
        return scaled, of_weight, None, None, None, None


def _chunk(
    rows: Tensor,
    heads: Tensor,
    targets: Tensor,
    ignored: int,
    totals: Tensor,
    chunk: slice,
    states_grad: Tensor | None,
    weight_grad: Tensor | None,
) -> Tensor:
    """Losses (K,) of some steps, with rows (n, D) and targets (n, K); fills in the gradients."""
    n, books = targets.shape
    logits = (rows @ heads.T).float().view(n, books, -1)
    counted = targets != ignored
    chosen = targets.masked_fill(~counted, 0)[..., None]
    normalizer = logits.logsumexp(-1)
    picked = logits.gather(-1, chosen)[..., 0]
    losses = ((normalizer - picked) * counted).sum(0) / totals
    if states_grad is None and weight_grad is None:
        return losses
    gradient = logits.sub_(normalizer[..., None]).exp_()  # the softmax, in the logits' memory
    gradient.scatter_add_(-1, chosen, -torch.ones_like(gradient[..., :1]))
    gradient *= (counted / (books * totals))[..., None]
    flat = gradient.view(n, -1).to(heads.dtype)
    if states_grad is not None:
        states_grad[chunk] = (flat @ heads).to(states_grad.dtype)
    if weight_grad is not None:
        weight_grad += (flat.T @ rows).float()
    return losses
