"""Adapters in the layout of PEFT: `adapter_config.json` and `adapter_model.safetensors`.

PEFT gives each linear layer of transformers' model a pair `lora_A`, `lora_B`; some of our layers
are several of those, and then our adapter has a pair for each part. What is called how follows
from the links of the language model's own weights.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from songloom.checkpoints.catalogue import NANO, known_model
from songloom.checkpoints.home import ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE_FINGERPRINT
from songloom.checkpoints.peft_config import PeftConfig, ends_with, read_peft_config
from songloom.checkpoints.transformers_lm import lm_links
from songloom.checkpoints.weights import DOWNLOAD_AGAIN, Weights, open_weights
from songloom.errors import ModelError, OutputError
from songloom.models.lm import LMConfig
from songloom.models.lora import TARGETS, LayerShape, LoraConfig, layers_of
from songloom.whole_files import replace_file, write_text

PICKLED_ADAPTER = "adapter_model.bin"
_TENSOR = re.compile(
    r"(base_model\.model\.)?(?P<layer>.+)\.lora_(?P<side>[AB])(\.default)?\.weight"
)
_OTHER_BASE = "the adapter was made for another model; name that one as its base"


@dataclass(frozen=True)
class Adapter:
    """An adapter that fits a model."""

    name: str
    path: Path
    """Its folder."""
    base: str
    """Name, hub id or path of the model that it was trained on; empty if unknown."""
    config: LoraConfig
    tensors: Mapping[str, Tensor]
    """As `lora_state` has them, on the CPU in float32."""


def read_adapter(folder: Path, lm: LMConfig) -> Adapter:
    """Read an adapter for a model of the given shape.

    Layers that it leaves out have no tensors, parts of fused ones have zeros; different ranks are
    filled up with zeros, different strengths go into `up`.

    Raises:
        ModelError: a file is missing or broken, the adapter is of a kind without support, or was
            made for a model of another shape.
    """
    peft = read_peft_config(folder)
    weights = open_adapter_weights(folder)
    layers, parts_of = layers_of(lm), _parts_of(lm)
    pairs = _pairs(weights, peft, _part_shapes(layers, parts_of))
    rank = max(len(a) for a, _ in pairs.values())
    scale = peft.scale("", peft.rank)
    tensors: dict[str, Tensor] = {}
    for layer, parts in parts_of.items():
        if not any(part in pairs for part in parts):
            continue
        shape = layers[layer]
        down = torch.zeros(shape.parts, rank, shape.inputs)
        up = torch.zeros(shape.parts, shape.outputs // shape.parts, rank)
        for i, part in enumerate(parts):
            if part in pairs:
                a, b = pairs[part]
                down[i, : len(a)] = a
                up[i, :, : len(a)] = b.float() * (peft.scale(part, len(a)) / scale)
        tensors |= {f"{layer}.down": down, f"{layer}.up": up}
    targets = tuple(t for t in TARGETS if any(f"{n}.up" in tensors for n in layers_of(lm, [t])))
    config = LoraConfig(rank=rank, alpha=scale * rank, targets=targets)
    return Adapter(folder.name, folder, peft.base, config, tensors)


def open_adapter_weights(folder: Path) -> Weights:
    """The weights of the adapter in a folder.

    Raises:
        ModelError: their file is missing or broken.
    """
    return open_weights(folder, (ADAPTER_WEIGHTS, PICKLED_ADAPTER))


def write_adapter(
    folder: Path,
    state: Mapping[str, Tensor],
    config: LoraConfig,
    lm: LMConfig,
    base: str,
    base_fingerprint: str = "",
) -> None:
    """Write an adapter, for PEFT and for `read_adapter`.

    Args:
        folder: made if need be. Each of the two files appears there whole or not at all.
        state: what `lora_state` gives.
        config: shape of the adapter.
        lm: shape of the model.
        base: name, hub id or path of the model that the adapter was trained on.
        base_fingerprint: which model that was, as `ModelSource.fingerprint` says; empty if unknown.

    Raises:
        OutputError: the files cannot be written.
    """
    from safetensors.torch import save

    parts_of = _parts_of(lm)
    adapted = {layer: parts for layer, parts in parts_of.items() if f"{layer}.up" in state}
    named = {
        f"base_model.model.{part}.lora_{side}.weight": state[f"{layer}.{leaf}"][i].detach().clone()
        for layer, parts in adapted.items()
        for i, part in enumerate(parts)
        for side, leaf in (("A", "down"), ("B", "up"))
    }
    known = known_model(base)
    content = {
        "peft_type": "LORA",
        "base_model_name_or_path": base if known is None or base == NANO else known.source,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": _target_modules(adapted, parts_of),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "task_type": None,
        "use_dora": False,
        "use_rslora": False,
    }
    tensors = {name: tensor.cpu().contiguous() for name, tensor in named.items()}
    # Not in the configuration: PEFT has no such field, and the weights never go anywhere without.
    metadata = {"format": "pt"} | ({BASE_FINGERPRINT: base_fingerprint} if base_fingerprint else {})
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the adapter's folder {folder} cannot be made ({error}); choose another"
        ) from error
    with replace_file(folder / ADAPTER_WEIGHTS) as temporary:
        temporary.write_bytes(save(tensors, metadata=metadata))
    write_text(folder / ADAPTER_CONFIG, json.dumps(content, indent=2) + "\n")


def join_adapters(adapters: list[Adapter]) -> Adapter:
    """One adapter that does what several do that are merged one after the other.

    The product of matrices side by side is the sum of their products.
    """
    if len(adapters) == 1:
        return adapters[0]
    rank = sum(adapter.config.rank for adapter in adapters)
    tensors: dict[str, Tensor] = {}
    for layer in sorted({n.rpartition(".")[0] for a in adapters for n in a.tensors}):
        downs, ups = zip(
            *(_matrices(adapters, i, layer) for i in range(len(adapters))), strict=True
        )
        tensors[f"{layer}.down"] = torch.cat(downs, dim=1)
        tensors[f"{layer}.up"] = torch.cat(ups, dim=2)
    targets = dict.fromkeys(target for a in adapters for target in a.config.targets)
    config = LoraConfig(rank=rank, alpha=rank, targets=tuple(targets))
    return replace(adapters[-1], name=adapters[0].name, config=config, tensors=tensors)


def _matrices(adapters: list[Adapter], index: int, layer: str) -> tuple[Tensor, Tensor]:
    """An adapter's matrices of a layer, strength included; zeros where it leaves that alone."""
    adapter = adapters[index]
    tensors: Mapping[str, Tensor] = adapter.tensors
    if f"{layer}.up" in tensors:
        return tensors[f"{layer}.down"], tensors[f"{layer}.up"] * adapter.config.scale
    other = next(a for a in adapters if f"{layer}.up" in a.tensors).tensors
    (parts, _, inputs), outputs = other[f"{layer}.down"].shape, other[f"{layer}.up"].shape[1]
    rank = adapter.config.rank
    return torch.zeros(parts, rank, inputs), torch.zeros(parts, outputs, rank)


def _parts_of(lm: LMConfig) -> dict[str, tuple[str, ...]]:
    """Our layers that can be adapted, and what their parts are called in transformers' model."""
    links = {link.ours[0].removesuffix(".weight"): link.theirs for link in lm_links(lm)}
    return {
        layer: tuple(name.removesuffix(".weight") for name in links[layer])
        for layer in layers_of(lm)
    }


def _part_shapes(
    layers: Mapping[str, LayerShape], parts_of: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[int, int]]:
    """(in, out) of the layers of transformers' model."""
    return {
        part: (layers[layer].inputs, layers[layer].outputs // len(parts))
        for layer, parts in parts_of.items()
        for part in parts
    }


def _target_modules(
    adapted: Mapping[str, tuple[str, ...]], parts_of: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """The ends of the adapted layers' names; whole names where the ends would fit others too."""
    parts = {part for parts in adapted.values() for part in parts}
    ends = {re.sub(r".*layers\.\d+\.", "", part) for part in parts}
    fitting = {part for parts in parts_of.values() for part in parts if ends_with(part, ends)}
    return sorted(ends if fitting == parts else parts)


def _pairs(
    weights: Weights, peft: PeftConfig, shapes: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """The matrices A (rank, in) and B (out, rank) of each adapted layer of transformers' model."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name in weights.tensors:
        match = _TENSOR.fullmatch(name)
        if match is None:
            raise ModelError(
                f"{weights.source} holds {name!r}, but only matrices lora_A and lora_B of linear "
                "layers were expected; merge the adapter with PEFT and load what this gives"
            )
        layer = match["layer"]
        # The decoder can be adapted alone, too: then its names begin below `decoder`.
        found[layer if layer in shapes else f"decoder.{layer}"][match["side"]] = name
    for layer in sorted(found.keys() - shapes.keys()):
        raise ModelError(
            f"{weights.source} adapts the layer {layer.removeprefix('decoder.')!r}, which the "
            f"model does not have or songloom does not adapt; {_OTHER_BASE}"
        )
    lacking = [n for n in shapes if ends_with(n, peft.everywhere) and n not in found]
    if lacking or not found:
        lacks = repr(lacking[0]) if lacking else "any layer"
        raise ModelError(
            f"{weights.source} has no matrices for {lacks}, though {peft.source.name} says so or "
            f"there must be some; the file is incomplete, or {_OTHER_BASE}"
        )
    return {layer: _pair(weights, sides, shapes[layer]) for layer, sides in found.items()}


def _pair(
    weights: Weights, sides: Mapping[str, str], shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    if len(sides) < 2:
        [name] = sides.values()
        raise ModelError(
            f"{weights.source} holds {name!r} without its counterpart; the file is incomplete. "
            f"{DOWNLOAD_AGAIN}"
        )
    rank = max((1, *weights.read(sides["A"]).shape[:1]))
    inputs, outputs = shape
    a = _read_tensor(weights, sides["A"], (rank, inputs))
    return a, _read_tensor(weights, sides["B"], (outputs, rank))


def _read_tensor(weights: Weights, name: str, expected: tuple[int, int]) -> Tensor:
    tensor = weights.read(name)
    if tuple(tensor.shape) != expected:
        raise ModelError(
            f"{weights.source}: {name!r} has shape {tuple(tensor.shape)}, but for this model it "
            f"would be {expected}; {_OTHER_BASE}"
        )
    weights.check_elements(tensor.numel(), repr(name))
    if not torch.isfinite(tensor).all():
        raise ModelError(
            f"{weights.source}: {name!r} holds numbers that are not finite, so training it went "
            "wrong; train it again, with a lower learning rate"
        )
    return tensor
