"""How D-Adaptation finds its rate."""

from itertools import pairwise

import torch

from songloom.training.optimizers import (
    FIRST_RATE,
    GROWTH,
    effective_learning_rate,
    make_optimizer,
)


def test_d_adaptation_finds_a_rate_without_leaps() -> None:
    """Far from the optimum the gradients agree, and the estimate would grow threefold a step."""
    torch.manual_seed(0)
    weights = torch.nn.Parameter(torch.zeros(20, 20))
    target = torch.randn(20, 20)
    optimizer = make_optimizer("dadam", [weights], 1.0, weight_decay=0.0)
    rates, losses = [], []
    for _ in range(60):
        loss = (weights - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.append(effective_learning_rate(optimizer))
        losses.append(loss.item())
    assert rates[0] <= FIRST_RATE * GROWTH
    for before, after in pairwise(rates):
        assert before <= after <= before * GROWTH * 1.0001
    assert rates[-1] > 1000 * FIRST_RATE
    assert losses[-1] < 0.2 * losses[0]
