"""Layers in place of PyTorch's: half as large on a CPU, or made without drawing weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class HalfLinear(nn.Module):
    """A linear layer with float16 weights packed for FBGEMM; float32 in and out.

    Decoding one token reads every weight once, so its speed is the memory's speed: float16 weights
    double it. PyTorch's own float16 `linear` on a CPU is slow for few rows; FBGEMM's, which
    converts while it multiplies, is not.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        bias = None if linear.bias is None else linear.bias.detach()
        self._packed = torch.ops.quantized.linear_prepack_fp16(linear.weight.detach().float(), bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        return torch.ops.quantized.linear_dynamic_fp16(x, self._packed)


def has_half_linear() -> bool:
    """Whether this machine's PyTorch has FBGEMM (x86 builds do)."""
    return "fbgemm" in torch.backends.quantized.supported_engines


def pack_half(module: nn.Module) -> None:
    """Replace every `nn.Linear` in `module` by a `HalfLinear`, one at a time to spare memory."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, HalfLinear(child))
        else:
            pack_half(child)


class Embedding(nn.Embedding):
    """PyTorch's, but drawing no random numbers on the meta device.

    Checkpoints are read into modules that are made there. Drawing would do nothing except make
    PyTorch import its compiler, which takes longer than all else that loading does.
    """

    def reset_parameters(self) -> None:
        """Draw the weights, where there are any."""
        if not self.weight.is_meta:
            super().reset_parameters()
