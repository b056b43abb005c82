"""The network of multi-band diffusion: from noisy audio and the codec's latents to the noise in it.

Source: "From Discrete Tokens to High-Fidelity Audio Using Multi-Band Diffusion" (San Roman et al.,
2023). Strided convolutions down, transposed ones up, sums across; the latents come in at the
bottom. Layers have the names of the published weights.

Shapes: B signals, N samples, D = condition_size, T codec frames, C channels and n steps of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class UNetConfig:
    """Shape of the network; the defaults are the published one's."""

    hidden: int = 48
    """Channels of the first level."""
    depth: int = 4
    """Levels."""
    growth: float = 4.0
    """Channels of a level over those of the one above."""
    max_channels: int = 10_000
    kernel: int = 8
    """Of the convolutions between levels; those inside have three taps."""
    stride: int = 4
    """Steps of a level over those of the one below."""
    res_blocks: int = 1
    norm_groups: int = 4
    condition_size: int = 128
    """Width of the codec's latents."""
    num_steps: int = 1000
    """Steps of the diffusion."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level, from the top."""
        widths = [self.hidden]
        while len(widths) < self.depth:
            widths.append(min(int(widths[-1] * self.growth), self.max_channels))
        return tuple(widths)

    @property
    def reach(self) -> int:
        """Samples to either side that an output depends on (its norms see the whole, though)."""
        samples, step = 0, 1
        for _ in range(self.depth):
            samples += 2 * self.kernel * step  # once down, once up
            step *= self.stride
            taps = sum(2 * 2**block for block in range(self.res_blocks))
            samples += 2 * taps * step
        return samples


class UNet(nn.Module):
    """Estimates the noise in a signal at one step of the diffusion."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        inputs = (1, *widths[:-1])
        self.encoders = nn.ModuleList(
            Encoder(config, i, o) for i, o in zip(inputs, widths, strict=True)
        )
        self.decoders = nn.ModuleList(
            Decoder(config, o, i) for i, o in reversed(list(zip(inputs, widths, strict=True)))
        )
        self.embedding = nn.Embedding(config.num_steps, widths[0])
        self.embeddings = nn.ModuleList(
            nn.Embedding(config.num_steps, width) for width in widths[1:]
        )
        self.conv_codec = nn.Conv1d(config.condition_size, widths[-1], 1)

    def forward(self, x: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """Noisy signals (B, 1, N), their steps (B,), latents (B, D, T) -> the noise (B, 1, N)."""
        skips: list[Tensor] = []
        z = x
        embeddings = (self.embedding, *self.embeddings)
        for encoder, embedding in zip(self.encoders, embeddings, strict=True):
            z = encoder(z) + embedding(steps)[..., None]  # (B, C, n)
            skips.append(z)
        # Nothing lies below the last level: the way up starts at its sum with the condition.
        z = F.interpolate(self.conv_codec(condition), z.shape[-1])
        for decoder in self.decoders:
            skip = skips.pop()
            z = decoder(z[..., : skip.shape[-1]] + skip)
        return z[..., : x.shape[-1]]


class Encoder(nn.Module):
    """One level down."""

    def __init__(self, config: UNetConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = config.stride
        padding = (config.kernel - config.stride) // 2
        self.conv = nn.Conv1d(inputs, outputs, config.kernel, config.stride, padding, bias=False)
        self.norm = nn.GroupNorm(config.norm_groups, outputs)
        self.res_blocks = res_blocks(config, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, n) -> (B, outputs, n / stride), rounded up."""
        x = F.pad(x, (0, -x.shape[-1] % self.stride))
        return self.res_blocks(F.relu(self.norm(self.conv(x)), inplace=True))


class Decoder(nn.Module):
    """One level up."""

    def __init__(self, config: UNetConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        padding = (config.kernel - config.stride) // 2
        self.res_blocks = res_blocks(config, inputs)
        self.norm = nn.GroupNorm(config.norm_groups, inputs)
        self.convtr = nn.ConvTranspose1d(
            inputs, outputs, config.kernel, config.stride, padding, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, n) -> (B, outputs, n * stride)."""
        return self.convtr(F.relu(self.norm(self.res_blocks(x)), inplace=True))


class ResBlock(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, channels: int, dilation: int, norm_groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(norm_groups, channels)
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm2 = nn.GroupNorm(norm_groups, channels)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, n) -> (B, C, n)."""
        h = self.conv1(F.relu(self.norm1(x), inplace=True))
        return x + self.conv2(F.relu(self.norm2(h), inplace=True))


def res_blocks(config: UNetConfig, channels: int) -> nn.Sequential:
    """Blocks with ever longer reach."""
    return nn.Sequential(
        *(ResBlock(channels, 2**i, config.norm_groups) for i in range(config.res_blocks))
    )
