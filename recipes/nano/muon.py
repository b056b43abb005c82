"""Muon: momentum whose updates are made orthogonal, for the matrices inside a network.

Source: "Muon: An optimizer for hidden layers in neural networks" (Jordan et al., 2024). In trials
AdamW did not learn to predict the tokens in the time at hand; this did at once.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from recipes.nano.workers import ALONE, Workers

MOMENTUM = 0.95
DECAY = 0.05  # of weights, relative to the learning rate
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Optimises two-dimensional parameters; a fused projection counts as square blocks.

    Args:
        parameters: the matrices; all of them have gradients at every step.
        lr: learning rate.
        workers: those that train the same matrices; they share the work of a step.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, workers: Workers = ALONE) -> None:
        super().__init__(parameters, {"lr": lr})
        self._workers = workers

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Apply the gradients; they must be there before, so no closure is called."""
        for group in self.param_groups:
            updates = []
            for index, parameter in enumerate(group["params"]):
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
                update = torch.zeros_like(parameter)
                if index % self._workers.count == self._workers.rank:
                    blocks = max(1, parameter.shape[0] // parameter.shape[1])
                    ahead = parameter.grad.lerp(momentum, MOMENTUM)
                    update = torch.cat([orthogonalise(block) for block in ahead.chunk(blocks)])
                updates.append(update)
            self._workers.sum(updates)
            for parameter, update in zip(group["params"], updates, strict=True):
                parameter.mul_(1 - group["lr"] * DECAY).add_(update, alpha=-group["lr"])


def orthogonalise(matrix: Tensor) -> Tensor:
    """The nearest matrix with about equal singular values, by Newton-Schulz iteration."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.t()
    wide = (wide / (wide.norm() + 1e-7)).bfloat16()  # precise enough, and faster
    for _ in range(ROUNDS):
        gram = wide @ wide.t()
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    tall = matrix.shape[0] > matrix.shape[1]
    scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
    result: Tensor = (wide.t() if tall else wide).to(matrix.dtype) * scale
    return result
