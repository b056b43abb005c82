"""Several processes train one model: each has its own batch, gradients are averaged.

On a CPU that is shared with others, processes of one thread each are much faster than one process
of several, which must wait for its slowest thread at every operation. Start them with

    python -m torch.distributed.run --nproc-per-node 2 -m recipes.nano lm --threads 1
"""

import os
from collections.abc import Iterable
from typing import Self

import torch
import torch.distributed as dist
from torch import Tensor


class Workers:
    """This process among those that train together; alone, nothing is exchanged."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count

    @classmethod
    def join(cls) -> Self:
        """Meet the others, as torch's launcher has named them in the environment."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count > 1 and not dist.is_initialized():
            dist.init_process_group("gloo")
        return cls(dist.get_rank() if count > 1 else 0, count)

    @property
    def first(self) -> bool:
        """Whether this is the process that logs and saves."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its mean over the processes."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        self.sum(gradients)
        for gradient in gradients:
            gradient /= self.count

    def sum(self, tensors: list[Tensor]) -> None:
        """Replace every tensor by its sum over the processes."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def of_first(self, value: float) -> float:
        """The first process's value, so that all decide alike."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(shared, src=0)
        return float(shared)


ALONE = Workers(0, 1)
