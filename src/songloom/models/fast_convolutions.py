"""The U-Net's layers with fewer multiplications, for a CPU: results equal to rounding.

A convolution of r taps computes m outputs with m + r - 1 products per pair of channels in place of
m * r, by evaluating polynomials at m + r - 1 points (Toom and Cook; "Fast Algorithms for
Convolutional Neural Networks", Lavin & Gray, 2016). Here that is eight for eighteen where there are
three taps. The layers between levels, whose kernels are twice their strides, have two taps over
blocks of `stride` steps: seven products for twelve.

Products are matrix products over signals that lie with their channels together (B, n, C); layers
take and give (B, C, n) views of those, so nothing is moved between them.
"""

from __future__ import annotations

import copy
import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from songloom.models.diffusion_unet import UNet

OUTPUTS = 6
"""m: outputs computed together. More would save more and lose accuracy."""
LEAST_CHANNELS = 512
"""Width of a layer's wider side from which the savings exceed what the transforms cost."""
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


def accelerated(unet: UNet) -> UNet:
    """A copy for inference on a CPU with faster layers; what needs no change is shared.

    The transformed weights of the published shape take 1.8 GB, so keep few copies at a time. A copy
    is for one thread at a time: its layers share their memory.
    """
    shared = {id(tensor): tensor for tensor in unet.parameters()}
    fast = copy.deepcopy(unet, shared)
    _replace_layers(fast, Workspace())
    return fast.eval().requires_grad_(False)


def _replace_layers(module: nn.Module, workspace: Workspace) -> None:
    for name, layer in module.named_children():
        if isinstance(layer, nn.GroupNorm):
            setattr(module, name, GroupNorm(layer))
        elif isinstance(layer, nn.Conv1d | nn.ConvTranspose1d) and is_worth_it(layer):
            setattr(module, name, _fast(layer, workspace))
        else:
            _replace_layers(layer, workspace)


def is_worth_it(layer: nn.Conv1d | nn.ConvTranspose1d) -> bool:
    """Whether a layer is of a kind that can be computed with fewer products, and wide enough."""
    (kernel,), (stride,), (dilation,) = layer.kernel_size, layer.stride, layer.dilation
    kind = (kernel == 3 and stride == 1) or (kernel == 2 * stride and stride % 2 == 0)
    return kind and dilation == 1 and max(layer.in_channels, layer.out_channels) >= LEAST_CHANNELS


def _fast(layer: nn.Conv1d | nn.ConvTranspose1d, workspace: Workspace) -> nn.Module:
    if isinstance(layer, nn.ConvTranspose1d):
        return FastUp(layer, workspace)
    if layer.stride == (1,):
        return FastConvolution(layer, workspace)
    return FastDown(layer, workspace)


class Workspace:
    """Memory that is used again: to ask the system for fresh memory takes as long as to fill it."""

    def __init__(self) -> None:
        self._memory: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """An uninitialised tensor, valid until the name is taken again."""
        size = math.prod(shape)
        if name not in self._memory or self._memory[name].numel() < size:
            self._memory[name] = torch.empty(size)
        return self._memory[name][:size].view(shape)


class FastConvolution(nn.Module):
    """A convolution of three taps that keeps the length."""

    def __init__(self, layer: nn.Conv1d, workspace: Workspace) -> None:
        super().__init__()
        self.taps = TransformedTaps(layer.weight.detach().permute(2, 0, 1), workspace)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, n) -> (B, outputs, n)."""
        out: Tensor = self.taps(x.transpose(1, 2), 1, x.shape[-1])
        if self.bias is not None:
            out += self.bias
        return out.transpose(1, 2)


class FastDown(nn.Module):
    """A strided convolution: two taps over blocks of `stride` steps."""

    def __init__(self, layer: nn.Conv1d, workspace: Workspace) -> None:
        super().__init__()
        (self.stride,) = layer.stride
        weight = layer.weight.detach()  # (outputs, inputs, 2 * stride)
        taps = weight.transpose(1, 2).reshape(layer.out_channels, 2, -1).transpose(0, 1)
        self.taps = TransformedTaps(taps, workspace)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, n) -> (B, outputs, n / stride); n is a multiple of the stride."""
        half = self.stride // 2
        batch, width, steps = x.shape
        blocks = F.pad(x.transpose(1, 2), (0, 0, half, half))
        blocks = blocks.reshape(batch, -1, self.stride * width)
        out: Tensor = self.taps(blocks, 0, steps // self.stride)
        return out.transpose(1, 2)


class FastUp(nn.Module):
    """A transposed convolution: two taps, whose outputs are blocks of `stride` steps."""

    def __init__(self, layer: nn.ConvTranspose1d, workspace: Workspace) -> None:
        super().__init__()
        (self.stride,) = layer.stride
        weight = layer.weight.detach()  # (inputs, outputs, 2 * stride)
        late, early = weight.permute(2, 1, 0).reshape(2, -1, layer.in_channels)
        self.taps = TransformedTaps(torch.stack([early, late]), workspace)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, n) -> (B, outputs, n * stride)."""
        half, steps = self.stride // 2, x.shape[-1] * self.stride
        blocks: Tensor = self.taps(x.transpose(1, 2), 1, x.shape[-1] + 1)
        out = blocks.reshape(len(x), -1, blocks.shape[-1] // self.stride)
        return out[:, half : half + steps].transpose(1, 2)


class GroupNorm(nn.Module):
    """Group normalisation of a signal whose channels lie together."""

    def __init__(self, layer: nn.GroupNorm) -> None:
        super().__init__()
        self.groups, self.eps = layer.num_groups, layer.eps
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, n) -> (B, C, n)."""
        if x.is_contiguous():
            return F.group_norm(x, self.groups, self.weight, self.bias, self.eps)
        batch, channels, steps = x.shape
        together = x.transpose(1, 2)  # (B, n, C)
        # Reduced over steps alone, which is many times faster than over a group's channels too.
        sums = together.sum(dim=1).double()
        squares = together.square().sum(dim=1).double()
        per_group = (batch, self.groups, -1)
        size = channels // self.groups * steps
        mean = sums.view(per_group).sum(dim=-1, keepdim=True) / size
        power = squares.view(per_group).sum(dim=-1, keepdim=True) / size
        rate = torch.rsqrt((power - mean.square()).clamp(min=0) + self.eps)  # (B, G, 1)
        scale = self.weight.view(self.groups, -1) * rate
        shift = self.bias.view(self.groups, -1) - mean * scale
        flat = (batch, 1, channels)
        out = torch.addcmul(shift.view(flat).to(x), together, scale.view(flat).to(x))
        return out.transpose(1, 2)


class TransformedTaps(nn.Module):
    """Sums of r tap matrices over neighbouring steps, by evaluation at points."""

    def __init__(self, taps: Tensor, workspace: Workspace) -> None:
        """Args: taps: (r, outputs, inputs)."""
        super().__init__()
        self._inputs, self._outputs, evaluate = transforms(len(taps))
        matrices = evaluate.to(taps) @ taps.reshape(len(taps), -1)
        self._matrices = [Matrix(matrix) for matrix in matrices.view(-1, *taps.shape[1:])]
        self._outputs_width = taps.shape[1]
        self._workspace = workspace

    def forward(self, x: Tensor, before: int, length: int) -> Tensor:
        """Steps (B, n, inputs) -> sums (B, length, outputs).

        Sum t is that of tap k applied to step t - before + k, with zeros beyond the ends.
        """
        batch, steps, width = x.shape
        points = len(self._matrices)
        tiles = -(-length // OUTPUTS)
        padded = self._workspace.take("padded", batch, tiles * OUTPUTS + points - OUTPUTS, width)
        padded[:, :before] = 0
        padded[:, before : before + steps] = x
        padded[:, before + steps :] = 0
        # Step i of every tile: (B, tiles, inputs).
        heard = [padded[:, i : i + OUTPUTS * tiles : OUTPUTS] for i in range(points)]
        point = self._workspace.take("point", batch, tiles, width)
        products = []
        for row, matrix in zip(self._inputs, self._matrices, strict=True):
            _combine(heard, row, point)
            products.append(matrix(point))
        out = x.new_empty(batch, tiles, OUTPUTS, self._outputs_width)
        for i, row in enumerate(self._outputs):
            _combine(products, row, out[:, :, i])
        return out.flatten(1, 2)[:, :length]


class Matrix:
    """A matrix that many rows are multiplied by, in the order that oneDNN reads it in.

    MKL, behind `F.linear`, orders it anew in every call, and is a third slower for a few hundred
    rows.
    """

    def __init__(self, matrix: Tensor) -> None:
        """Args: matrix: (outputs, inputs)."""
        self._packs = has_packed_linear()
        matrix = matrix.contiguous()
        self._matrix = torch.ops.mkldnn._reorder_linear_weight(matrix) if self._packs else matrix

    def __call__(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        if not self._packs:
            return F.linear(x, self._matrix)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._matrix, None, "none", [], "")
        return out


def has_packed_linear() -> bool:
    """Whether this machine's PyTorch has oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def _combine(tensors: list[Tensor], factors: tuple[float, ...], out: Tensor) -> None:
    """The sum of the tensors, each times its factor."""
    parts = [(tensor, factor) for tensor, factor in zip(tensors, factors, strict=True) if factor]
    torch.mul(*parts[0], out=out)
    for tensor, factor in parts[1:]:
        out.add_(tensor, alpha=factor)


Rows = tuple[tuple[float, ...], ...]


@functools.cache
def transforms(taps: int) -> tuple[Rows, Rows, Tensor]:
    """Factors for the inputs and the outputs of a tile, and the matrix for the taps.

    With n = OUTPUTS + taps - 1 points, of which the last is at infinity.
    """
    points = np.array(_POINTS[: OUTPUTS + taps - 2])
    others = [np.delete(points, i) for i in range(len(points))]
    scale = np.array([np.prod(p - rest) for p, rest in zip(points, others, strict=True)])
    evaluate = np.vander(points, taps, increasing=True) / scale[:, None]
    evaluate = np.vstack([evaluate, np.eye(taps)[-1]])
    inputs = [np.append(np.poly(rest)[::-1], 0.0) for rest in others] + [np.poly(points)[::-1]]
    outputs = np.hstack([np.vander(points, OUTPUTS, increasing=True).T, np.eye(OUTPUTS)[:, -1:]])
    return _rows(np.array(inputs)), _rows(outputs), torch.from_numpy(evaluate)


def _rows(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Rows:
    return tuple(tuple(float(value) for value in row) for row in matrix)
