"""EnCodec's networks: a convolutional encoder and decoder around residual codebooks.

Source: "High Fidelity Neural Audio Compression" (Défossez et al., 2022); the variant of MusicGen:
mono, not causal, weight-normed. Layers and names are those of transformers' `EncodecModel`, which
it is tested against; importing that library takes longer than generating eight seconds of music
with a small model. `codec` runs these networks piece by piece.

Shapes: B signals, N samples, T frames, D = hidden_size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized


@dataclass(frozen=True)
class EncodecConfig:
    """Shape of the networks, under the names (and with the defaults) that `config.json` has."""

    sampling_rate: int = 24_000
    audio_channels: int = 1
    normalize: bool = False
    target_bandwidths: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0, 24.0)
    """Kilobits per second; the number of codebooks follows from the last."""
    hidden_size: int = 128
    num_filters: int = 32
    num_residual_layers: int = 1
    upsampling_ratios: tuple[int, ...] = (8, 5, 4, 2)
    norm_type: str = "weight_norm"
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    dilation_growth_rate: int = 2
    use_causal_conv: bool = True
    pad_mode: str = "reflect"
    compress: int = 2
    num_lstm_layers: int = 2
    trim_right_ratio: float = 1.0
    codebook_size: int = 1024
    codebook_dim: int | None = None
    use_conv_shortcut: bool = True

    @property
    def hop(self) -> int:
        """Samples of one frame."""
        return math.prod(self.upsampling_ratios)

    @property
    def num_quantizers(self) -> int:
        """Codebooks."""
        frame_rate = math.ceil(self.sampling_rate / self.hop)
        bits = math.ceil(math.log2(self.codebook_size))
        return int(1000 * self.target_bandwidths[-1] // (frame_rate * bits))


class Encodec(nn.Module):
    """The three networks; they are called one by one."""

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantizer = Quantizer(config)

    def with_decoder(self, decoder: Decoder) -> Encodec:
        """The same encoder and codebooks, which are shared, with another decoder."""
        other = Encodec.__new__(Encodec)
        nn.Module.__init__(other)
        other.config = self.config
        other.encoder, other.decoder, other.quantizer = self.encoder, decoder, self.quantizer
        return other


class Encoder(nn.Module):
    """Samples (B, 1, N) to latents (B, D, T)."""

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        width = config.num_filters
        layers: list[nn.Module] = [Conv(config, config.audio_channels, width, config.kernel_size)]
        for ratio in reversed(config.upsampling_ratios):
            layers += residual_layers(config, width)
            layers += [nn.ELU(), Conv(config, width, 2 * width, 2 * ratio, stride=ratio)]
            width *= 2
        layers += [LSTM(width, config.num_lstm_layers), nn.ELU()]
        layers.append(Conv(config, width, config.hidden_size, config.last_kernel_size))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, N) -> (B, D, T)."""
        for layer in self.layers:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """Latents (B, D, T) to samples (B, 1, N)."""

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        width = config.num_filters * 2 ** len(config.upsampling_ratios)
        layers: list[nn.Module] = [
            Conv(config, config.hidden_size, width, config.kernel_size),
            LSTM(width, config.num_lstm_layers),
        ]
        for ratio in config.upsampling_ratios:
            layers += [nn.ELU(), TransposedConv(width, width // 2, 2 * ratio, stride=ratio)]
            width //= 2
            layers += residual_layers(config, width)
        layers += [
            nn.ELU(),
            Conv(config, width, config.audio_channels, config.last_kernel_size),
        ]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, T) -> (B, 1, N)."""
        for layer in self.layers:
            x = layer(x)
        return x


def plain_weights(module: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """Copies of a module's weights as they act, whatever a weight norm makes them of."""
    return {name: _weight(module, name).detach().clone() for name in names}


@torch.no_grad()
def set_plain_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Let a module's weights act as these, by their names; a weight norm takes them over."""
    for name, weight in weights.items():
        path, _, leaf = name.rpartition(".")
        owner = module.get_submodule(path)
        if not is_parametrized(owner, leaf):
            owner.get_parameter(leaf).copy_(weight)
            continue
        norm = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
        normed = f"parametrizations.{leaf}"
        owner.get_parameter(f"{normed}.original0").copy_(norm)
        # What has no length has no direction; any will do, and none would give 0 / 0.
        direction = torch.where(norm == 0, torch.ones_like(weight), weight)
        owner.get_parameter(f"{normed}.original1").copy_(direction)


def _weight(module: nn.Module, name: str) -> Tensor:
    path, _, leaf = name.rpartition(".")
    return getattr(module.get_submodule(path), leaf)


class Conv(nn.Module):
    """A weight-normed convolution that keeps N / stride steps, rounded up."""

    def __init__(
        self,
        config: EncodecConfig,
        inputs: int,
        outputs: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.conv = parametrizations.weight_norm(
            nn.Conv1d(inputs, outputs, kernel_size, stride, dilation=dilation)
        )
        self.stride = stride
        self.padding = (kernel_size - 1) * dilation + 1 - stride
        self.pad_mode = config.pad_mode

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, N) -> (B, outputs, N / stride)."""
        right = self.padding // 2
        left = self.padding - right
        right += -x.shape[-1] % self.stride
        if left == right == 0:
            return self.conv(x)
        if self.pad_mode != "reflect":
            return self.conv(F.pad(x, (left, right), mode=self.pad_mode))
        return self.conv(_reflect(x, left, right))


def _reflect(x: Tensor, left: int, right: int) -> Tensor:
    """Mirror (B, D, N) at its ends: several times faster than `F.pad`, and for any N."""
    length = x.shape[-1]
    # A signal shorter than its reflection is continued with zeros first, then cut again.
    missing = max(0, max(left, right) - length + 1)
    longer = F.pad(x, (0, missing)) if missing else x
    before = longer[..., 1 : left + 1].flip(-1)
    after = longer[..., longer.shape[-1] - 1 - right : -1].flip(-1)
    padded = torch.cat([before, longer, after], dim=-1)
    return padded[..., : padded.shape[-1] - missing]


class TransposedConv(nn.Module):
    """A weight-normed transposed convolution that gives N * stride steps."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.conv = parametrizations.weight_norm(
            nn.ConvTranspose1d(inputs, outputs, kernel_size, stride)
        )
        self.padding = kernel_size - stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, N) -> (B, outputs, N * stride)."""
        x = self.conv(x)
        right = self.padding // 2
        return x[..., self.padding - right : x.shape[-1] - right]


class ResidualUnit(nn.Module):
    """A dilated convolution through a bottleneck, added to its input."""

    def __init__(self, config: EncodecConfig, width: int, dilation: int) -> None:
        super().__init__()
        inner, size = width // config.compress, config.residual_kernel_size
        self.block = nn.Sequential(
            nn.ELU(),
            Conv(config, width, inner, size, dilation=dilation),
            nn.ELU(),
            Conv(config, inner, width, 1),
        )
        through = config.use_conv_shortcut
        self.shortcut = Conv(config, width, width, 1) if through else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, N) -> (B, width, N)."""
        return self.shortcut(x) + self.block(x)


def residual_layers(config: EncodecConfig, width: int) -> list[nn.Module]:
    """Units with ever longer reach."""
    growth = config.dilation_growth_rate
    return [ResidualUnit(config, width, growth**i) for i in range(config.num_residual_layers)]


LSTMState = tuple[Tensor, Tensor]
"""An LSTM's state: its hidden and cell states."""


class LSTM(nn.Module):
    """A recurrent layer over the frames, added to its input."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, T) -> (B, width, T)."""
        return self.run(x, None)[0]

    def run(self, x: Tensor, state: LSTMState | None) -> tuple[Tensor, LSTMState]:
        """The same for a part of the frames, going on from `state`."""
        steps = x.permute(2, 0, 1)
        out, state = self.lstm(steps, state)
        return (out + steps).permute(1, 2, 0), state


class Quantizer(nn.Module):
    """Codebooks, each of which codes what the ones before it left."""

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Codes(config) for _ in range(config.num_quantizers))


class Codes(nn.Module):
    """One codebook."""

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        self.codebook = Codebook(config.codebook_size, config.codebook_dim or config.hidden_size)

    def encode(self, latents: Tensor) -> Tensor:
        """Latents (B, D, T) -> the nearest codes (B, T)."""
        table = self.codebook.embed
        x = latents.transpose(1, 2)
        # Squared distance without the latents' own part, which is the same for all codes.
        return (table.square().sum(dim=1) - 2 * x @ table.t()).argmin(dim=-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, T) -> vectors (B, D, T)."""
        return F.embedding(codes, self.codebook.embed).transpose(1, 2)


class Codebook(nn.Module):
    """The vectors, and the running sums from which training moved them."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Buffer(torch.zeros(size, width))
        self.embed_avg = nn.Buffer(torch.zeros(size, width))
        self.cluster_size = nn.Buffer(torch.zeros(size))
        self.inited = nn.Buffer(torch.ones(1))
