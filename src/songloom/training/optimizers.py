"""Optimisers by name, each with a learning rate of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from songloom.errors import MissingExtraError
from songloom.training_request import OptimizerName

FIRST_RATE, GROWTH = 1e-5, 1.4
"""Of D-Adaptation: where it begins, and by what its rate may grow in an update. Unbounded, it grows
threefold in each, and is far past the right one before the next gradients can tell."""


def default_learning_rate(name: OptimizerName, full: bool) -> float:
    """The default of `lr` for an optimizer.

    D-Adaptation finds the rate itself: its 1 is a factor on what it finds. The others' rate depends
    on how much may change: the few weights of an adapter bear a higher one than all of a model's.
    """
    match name:
        case "dadam":
            return 1.0
        case "adamw":
            return 1e-5 if full else 2e-4
        case "adafactor":
            return 1e-5 if full else 2e-4


def make_optimizer(
    name: OptimizerName,
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """Make the optimiser that a request names.

    - `dadam`: "Learning-Rate-Free Learning by D-Adaptation" (Defazio and Mishchenko, 2023), in
      the form of Adam.
    - `adamw`: "Decoupled Weight Decay Regularization" (Loshchilov and Hutter, 2019).
    - `adafactor`: "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost" (Shazeer and
      Stern, 2018): a row and a column for each matrix, where Adam keeps two further matrices.

    Raises:
        MissingExtraError: the package that it comes from is not installed.
    """
    match name:
        case "dadam":
            return _d_adaptation(parameters, learning_rate, weight_decay)
        case "adamw":
            return torch.optim.AdamW(
                parameters, learning_rate, betas=(0.9, 0.95), weight_decay=weight_decay, fused=True
            )
        case "adafactor":
            return torch.optim.Adafactor(parameters, learning_rate, weight_decay=weight_decay)


def _d_adaptation(
    parameters: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    try:
        from pytorch_optimizer import DAdaptAdam  # late: seconds to import
    except ImportError as error:
        raise MissingExtraError(
            f"optimizer is 'dadam', which needs the package pytorch-optimizer ({error}); "
            "install it with 'pip install pytorch-optimizer', or choose adamw"
        ) from error
    optimizer: torch.optim.Optimizer = DAdaptAdam(
        parameters, lr=learning_rate, weight_decay=weight_decay, weight_decouple=True,
        d0=FIRST_RATE, growth_rate=GROWTH,
    )  # fmt: skip
    return optimizer


def effective_learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """The rate that an optimiser now steps with: what it found, times the schedule's."""
    group = optimizer.param_groups[0]
    return float(group["lr"]) * float(group.get("d", 1.0))
