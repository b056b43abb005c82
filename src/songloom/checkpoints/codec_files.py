"""The codec from transformers' names or the reference library's, and back.

Both name the same EnCodec network: the layers have the same numbers, the wrappers differ.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from songloom.checkpoints.configs import parse_config, read_json
from songloom.checkpoints.weights import Link, Weights, fill, open_weights, same
from songloom.errors import ModelError
from songloom.models.codec import Codec
from songloom.models.lm import LMConfig

if TYPE_CHECKING:
    from transformers import EncodecConfig, EncodecModel

_OLD_NORM_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}
"""Names of a weight norm's length and direction: today's, and those of older files."""


def read_codec(
    folder: Path, channels: int, device: torch.device, dtype: torch.dtype | None
) -> Codec:
    """A folder of EnCodec alone, in the transformers layout.

    Raises:
        ModelError: a file is missing, broken or of another kind of model.
    """
    config = read_json(folder / "config.json")
    return codec_from(config, open_weights(folder), "", channels, device, dtype)


def codec_from(
    config: dict[str, Any],
    weights: Weights,
    prefix: str,
    channels: int,
    device: torch.device,
    dtype: torch.dtype | None,
) -> Codec:
    """A codec whose weights stand under `prefix` in a file with transformers' names.

    Args:
        config: the codec's part of `config.json`.
        weights: the file.
        prefix: what stands before the codec's names there.
        channels: audio channels of the model; a stereo model codes left and right apart.
        device: where the tensors go.
        dtype: their precision; None keeps the file's.

    Raises:
        ModelError: weights are missing or of another shape, or the codec is of another kind.
    """
    from transformers.models.encodec.configuration_encodec import EncodecConfig

    kind = config.get("model_type")
    if kind != "encodec":
        raise ModelError(
            f"{weights.source}: the codec is of type {kind!r}, but only 'encodec' is supported; "
            "use a MusicGen model with an EnCodec codec"
        )
    encodec = empty_encodec(parse_config(EncodecConfig, config, weights.source))
    links = []
    for name in encodec.state_dict():
        old = name
        for new_part, old_part in _OLD_NORM_NAMES.items():
            old = old.replace(new_part, old_part)
        links.append(same(name, prefix + (old if prefix + old in weights else name)))
    fill(encodec, links, weights, device, dtype)
    weights.refuse_leftovers((n for link in links for n in link.theirs), (prefix or "encoder.",))
    finish_encodec(encodec, device)
    return Codec(encodec, channels)


def empty_encodec(config: EncodecConfig) -> EncodecModel:
    """The network without memory for its weights.

    Raises:
        ModelError: there can be no such network.
    """
    from transformers.models.encodec.modeling_encodec import EncodecModel

    size = config.codebook_size
    if size < 1 or size & (size - 1):
        raise ModelError(
            f"the codec has {size} codes a codebook, but EnCodec needs a power of two; "
            "copy or download the model again"
        )
    with torch.device("meta"):
        return EncodecModel(config)


def finish_encodec(encodec: EncodecModel, device: torch.device) -> None:
    """Compute the constants that no file holds: each convolution's stride and padding."""
    for module in encodec.modules():
        if not hasattr(module, "padding_total"):
            continue
        conv: nn.Conv1d = module.conv
        (stride,), (kernel,), (dilation,) = conv.stride, conv.kernel_size, conv.dilation
        reach = (kernel - 1) * dilation + 1
        module.stride = torch.tensor(stride, device=device)
        module.kernel_size = torch.tensor(reach, device=device)
        module.padding_total = torch.tensor(reach - stride, device=device)


def reference_codec_links(encodec: nn.Module) -> list[Link]:
    """Names of the codec's tensors in the reference library's `compression_state_dict.bin`."""
    return [same(name, _reference_name(name, encodec)) for name in encodec.state_dict()]


def _reference_name(name: str, encodec: nn.Module) -> str:
    for new_part, old_part in _OLD_NORM_NAMES.items():
        name = name.replace(new_part, old_part)
    if name.startswith("quantizer."):
        return name.replace("quantizer.layers", "quantizer.vq.layers").replace(
            ".codebook.", "._codebook."
        )
    name = re.sub(r"^(encoder|decoder)\.layers", r"\1.model", name)
    owner, conv, leaf = name.rpartition(".conv.")
    if not conv:
        return name
    at = owner.replace(".model", ".layers")
    transposed = isinstance(encodec.get_submodule(at).conv, nn.ConvTranspose1d)
    wrapper = "convtr" if transposed else "conv"
    return f"{owner}.{wrapper}.{wrapper}.{leaf}"


def check_codebooks(codec: Codec, lm: LMConfig, source: Path) -> None:
    """Raise ModelError unless the codec can decode what the language model writes."""
    if codec.num_codebooks < lm.num_codebooks or codec.codebook_size != lm.codebook_size:
        raise ModelError(
            f"{source}: the codec has {codec.num_codebooks} codebooks of {codec.codebook_size} "
            f"codes, but the language model writes {lm.num_codebooks} of {lm.codebook_size}; they "
            "belong to different models, so use the codec that the language model was trained with"
        )


def bandwidth(num_codebooks: int, codebook_size: int, frame_rate: float) -> float:
    """Kilobits per second; transformers counts the codebooks from it, rounding down."""
    bits = num_codebooks * math.ceil(math.log2(codebook_size)) * math.ceil(frame_rate)
    return math.nextafter(bits / 1000, math.inf) if 1000 * (bits / 1000) < bits else bits / 1000
