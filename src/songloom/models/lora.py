"""Low-rank adapters: a few trained weights beside a frozen language model.

Source: "LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al., 2021). A linear layer's
output gets `scale * up(down(x))` added, whose inner width is the rank.

Where our layers are fused and those of the ecosystem's files are not, an adapter has `parts`: each
of queries, keys and values has matrices of its own, so an adapter can be exchanged without loss.
The state of an adapter is a dictionary of `<layer>.down`, (parts, rank, in), and `<layer>.up`,
(parts, out / parts, rank).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from songloom.errors import ModelError, RequestError
from songloom.models.layers import HalfLinear
from songloom.models.lm import LM, LMConfig

Target = Literal["attention", "cross", "ffn", "conditions", "heads"]
TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True)
class LoraConfig:
    """Shape of an adapter."""

    rank: int = 16
    alpha: float = 32.0
    """The adapter counts `alpha / rank` times, so its strength does not change with the rank."""
    targets: tuple[Target, ...] = ("attention", "cross", "ffn")
    """Kinds of layers that are adapted; those that a model lacks are passed over."""
    dropout: float = 0.0
    """Part of the adapter's input that is dropped in training."""

    def __post_init__(self) -> None:
        unknown = [target for target in self.targets if target not in TARGETS]
        if unknown or not self.targets:
            raise RequestError(
                f"targets is {self.targets!r}, but one or more of {', '.join(TARGETS)} were "
                "expected; choose among these"
            )
        if self.rank < 1:
            raise RequestError(f"rank is {self.rank}, but must be at least 1; 16 is usual")
        if not 0 < self.alpha < math.inf:
            raise RequestError(
                f"alpha is {self.alpha:g}, but must be above 0; twice the rank is usual"
            )
        if not 0 <= self.dropout < 1:
            raise RequestError(f"dropout is {self.dropout:g}, but must be from 0 to below 1")

    @property
    def scale(self) -> float:
        """Factor of the adapter's output."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class LayerShape:
    """A linear layer that can be adapted."""

    parts: int
    """Equal parts of the output that have matrices of their own."""
    inputs: int
    outputs: int


def layers_of(config: LMConfig, targets: Iterable[Target] = TARGETS) -> dict[str, LayerShape]:
    """The layers of a model that can be adapted, by name."""
    width, ffn, K = config.hidden_size, config.ffn_size, config.num_codebooks
    square = LayerShape(1, width, width)
    in_blocks: dict[Target, dict[str, LayerShape]] = {
        "attention": {"attention.qkv": LayerShape(3, width, 3 * width), "attention.out": square},
        "cross": {
            "cross.q": square,
            "cross.kv": LayerShape(2, width, 2 * width),
            "cross.out": square,
        },
        "ffn": {"ffn_in": LayerShape(1, width, ffn), "ffn_out": LayerShape(1, ffn, width)},
    }
    if not config.cross_attention:
        del in_blocks["cross"]
    conditions = {}
    if config.text_size != width:  # else the ecosystem's files have no such layer
        conditions["text_projection"] = LayerShape(1, config.text_size, width)
    if config.melody:
        conditions["chroma_projection"] = LayerShape(1, config.chroma_bins, width)
    alone: dict[Target, dict[str, LayerShape]] = {
        "conditions": conditions,
        "heads": {"heads": LayerShape(K, width, K * config.codebook_size)},
    }
    layers: dict[str, LayerShape] = {}
    for target in dict.fromkeys(targets):
        layers |= alone.get(target, {})
        for i in range(config.num_layers):
            block = in_blocks.get(target, {})
            layers |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    return layers


class LoraLinear(nn.Module):
    """A frozen linear layer and its trainable adapter, which changes nothing at first.

    Args:
        base: the layer that is adapted.
        shape: its size, and the parts that have matrices of their own.
        config: rank, strength and dropout.
        device: where the adapter goes; its weights are float32 whatever the base has.
        generator: draws `down`; PyTorch's own by default.
    """

    def __init__(
        self,
        base: nn.Linear | HalfLinear,
        shape: LayerShape,
        config: LoraConfig,
        device: torch.device,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.base = base
        self.scale, self.dropout = config.scale, config.dropout
        # Drawn on the CPU: the same numbers whatever the device.
        bound = 1 / math.sqrt(shape.inputs)
        down = torch.empty(shape.parts, config.rank, shape.inputs)
        down.uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(down.to(device))
        width = shape.outputs // shape.parts
        self.up = nn.Parameter(torch.zeros(shape.parts, width, config.rank, device=device))
        self.train(base.training)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), in the base's precision."""
        out = self.base(x)
        if self.dropout:
            x = F.dropout(x, self.dropout, self.training)
        low = F.linear(x, self.down.flatten(0, 1).to(x.dtype))
        # One product over a block-diagonal matrix: the zeros in it cost less than another pass
        # over the output, which putting parts together would take.
        up = block_diagonal(self.up).to(x.dtype)
        total = torch.addmm(out.flatten(0, -2), low.flatten(0, -2), up.t(), alpha=self.scale)
        return total.view(out.shape)


def block_diagonal(up: Tensor) -> Tensor:
    """(parts, out / parts, rank) -> (out, parts * rank): zeros where parts do not meet."""
    if len(up) == 1:
        return up[0]
    return torch.block_diag(*up)  # type: ignore[no-untyped-call]


def add_lora(lm: LM, config: LoraConfig, generator: torch.Generator | None = None) -> list[str]:
    """Freeze a model and give it a trainable adapter, in place.

    Args:
        lm: the model, where it will be trained.
        config: shape of the adapter.
        generator: draws the adapter's first weights, on the CPU; PyTorch's own by default.

    Returns:
        The names of the adapted layers.

    Raises:
        ModelError: the model has an adapter already, or none of the targets.
    """
    if lora_layers(lm):
        raise ModelError("the model has an adapter already; merge or remove that one first")
    layers = layers_of(lm.config, config.targets)
    if not layers:
        raise ModelError(
            f"the model has no layers of the kinds {', '.join(config.targets)}, which the adapter "
            "is for; choose attention or ffn, which every model has"
        )
    lm.requires_grad_(False)
    for path, shape in layers.items():
        lm.set_submodule(path, LoraLinear(linear_at(lm, path), shape, config, lm.device, generator))
    return list(layers)


def linear_at(lm: LM, path: str) -> nn.Linear | HalfLinear:
    """The linear layer called `path`."""
    layer = lm.get_submodule(path)
    assert isinstance(layer, nn.Linear | HalfLinear), f"{path} is a {type(layer).__name__}"
    return layer


def lora_layers(lm: LM) -> dict[str, LoraLinear]:
    """The adapted layers of a model, by name."""
    return {path: layer for path, layer in lm.named_modules() if isinstance(layer, LoraLinear)}


def head_weight(lm: LM) -> Tensor:
    """The weight (K * V, D) of the heads, an adapter's share included."""
    heads: nn.Module = lm.heads
    if not isinstance(heads, LoraLinear):
        return lm.heads.weight
    product = torch.bmm(heads.up, heads.down).flatten(0, 1)
    weight = cast("Tensor", heads.base.weight)
    return torch.add(weight, product, alpha=heads.scale)


def lora_state(lm: LM) -> dict[str, Tensor]:
    """The adapter's weights: `<layer>.down` and `<layer>.up`, which share the model's memory."""
    return {
        f"{path}.{name}": tensor.detach()
        for path, layer in lora_layers(lm).items()
        for name, tensor in (("down", layer.down), ("up", layer.up))
    }


def merge_state(lm: LM, state: Mapping[str, Tensor], scale: float) -> None:
    """Add an adapter, given by its weights, to a model that has none.

    Raises:
        ModelError: the model's weights are packed, and cannot be changed.
    """
    for name, down in state.items():
        path, _, leaf = name.rpartition(".")
        if leaf == "down":
            _add_product(linear_at(lm, path), down, state[f"{path}.up"], scale, path)


@torch.no_grad()
def _add_product(
    base: nn.Linear | HalfLinear, down: Tensor, up: Tensor, scale: float, path: str
) -> None:
    if isinstance(base, HalfLinear):
        raise ModelError(
            f"{path} has packed float16 weights, into which no adapter can be merged; "
            "load the model in float32 for that"
        )
    weight = base.weight
    product = torch.bmm(up.float(), down.float()).flatten(0, 1).to(weight.device)
    weight.copy_(weight.float().add_(product, alpha=scale))
