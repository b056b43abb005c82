"""The codec from a folder in the transformers layout, alone or as a part of a MusicGen model."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from pathlib import Path
from typing import Any

import torch

from songloom.checkpoints.configs import (
    LARGEST_SIZE,
    MOST_LAYERS,
    convert_config_errors,
    parse_config,
    read_json,
    section_of,
)
from songloom.checkpoints.weights import DOWNLOAD_AGAIN, Weights, fill, open_weights, same_tensor
from songloom.errors import ModelError
from songloom.models.codec import Codec
from songloom.models.encodec import Encodec, EncodecConfig
from songloom.models.lm import LMConfig

OLD_NORM_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}
"""Names of a weight norm's length and direction: today's, and those of older files."""


_MOST_RATIOS = 16
_PAD_MODES = ("reflect", "constant", "replicate")


def read_codec(
    folder: Path, channels: int, device: torch.device, dtype: torch.dtype | None
) -> Codec:
    """The codec of a folder in the transformers layout: of EnCodec alone, or of a MusicGen model.

    Raises:
        ModelError: a file is missing, broken or of another kind of model.
    """
    path = folder / "config.json"
    config, prefix = read_json(path), ""
    if str(config.get("model_type")).startswith("musicgen"):
        config, prefix = section_of(config, "audio_encoder", path), "audio_encoder."
    return codec_from(config, open_weights(folder), prefix, channels, device, dtype)


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
    kind = config.get("model_type")
    if kind != "encodec":
        raise ModelError(
            f"{weights.source}: the codec is of type {kind!r}, but only 'encodec' is supported; "
            "use a MusicGen model with an EnCodec codec"
        )
    encodec = empty_encodec(parse_config(EncodecConfig, config, weights.source), weights)
    links = []
    for name in encodec.state_dict():
        old = name
        for new_part, old_part in OLD_NORM_NAMES.items():
            old = old.replace(new_part, old_part)
        links.append(same_tensor(name, prefix + (old if prefix + old in weights else name)))
    fill(encodec, links, weights, device, dtype)
    weights.refuse_leftovers((n for link in links for n in link.theirs), (prefix,))
    return Codec(encodec, channels)


def empty_encodec(config: EncodecConfig, weights: Weights) -> Encodec:
    """The network, for `fill` to give it the weights.

    It is small, so it is made in memory: on the meta device its weight norms would make PyTorch
    import its compiler, which takes longer. The caller's random numbers are left as they were.

    Raises:
        ModelError: there can be no such network, or it would be larger than the weights' file.
    """
    size, ratios = config.codebook_size, config.upsampling_ratios
    if size < 2 or size & (size - 1):
        raise ModelError(
            f"the codec has {size} codes a codebook, but EnCodec needs a power of two; "
            "copy or download the model again"
        )
    if len(ratios) > _MOST_RATIOS or 0 in ratios or config.hop > LARGEST_SIZE:
        raise ModelError(
            f"{weights.source}: the codec has the upsampling ratios {reprlib.repr(ratios)}, but at "
            f"most {_MOST_RATIOS} of at least 1 were expected. {DOWNLOAD_AGAIN}"
        )
    if not 0 < config.num_quantizers <= MOST_LAYERS or config.pad_mode not in _PAD_MODES:
        raise ModelError(
            f"{weights.source}: the codec has {config.num_quantizers} codebooks (by "
            f"target_bandwidths) and pad_mode {config.pad_mode[:40]!r}, but 1 to {MOST_LAYERS} and "
            f"one of {', '.join(_PAD_MODES)} were expected. {DOWNLOAD_AGAIN}"
        )
    reach = math.log2(config.dilation_growth_rate) * (config.num_residual_layers - 1)
    if config.compress > config.num_filters or reach > math.log2(LARGEST_SIZE):
        raise ModelError(
            f"{weights.source}: the codec's residual layers have compress {config.compress} of "
            f"{config.num_filters} filters, and a dilation of 2^{reach:.0f}, which no codec has. "
            f"{DOWNLOAD_AGAIN}"
        )
    weights.check_elements(count_elements(config), "the codec")
    with convert_config_errors(weights.source), torch.random.fork_rng(devices=[]):
        return Encodec(config)


def count_elements(config: EncodecConfig) -> int:
    """Numbers in the network's large tensors: matrices and codebooks, without norms and biases."""
    width, kernel = config.num_filters, config.residual_kernel_size
    half = config.audio_channels * width * config.kernel_size
    for ratio in reversed(config.upsampling_ratios):
        inner = width // config.compress
        unit = width * inner * (kernel + 1) + config.use_conv_shortcut * width * width
        half += config.num_residual_layers * unit + 4 * width * width * ratio
        width *= 2
    half += 8 * config.num_lstm_layers * width * width
    half += width * config.hidden_size * min(config.kernel_size, config.last_kernel_size)
    codes = 2 * config.codebook_size * (config.codebook_dim or config.hidden_size)
    return 2 * half + config.num_quantizers * codes


def codec_section(config: EncodecConfig) -> dict[str, Any]:
    """The codec's part of `config.json`."""
    return {"model_type": "encodec", **dataclasses.asdict(config)}


def check_codebooks(codec: Codec, lm: LMConfig, source: Path) -> None:
    """Raise ModelError unless the codec can decode what the language model writes."""
    if codec.num_codebooks < lm.num_codebooks or codec.codebook_size != lm.codebook_size:
        raise ModelError(
            f"{source}: the codec has {codec.num_codebooks} codebooks of {codec.codebook_size} "
            f"codes, but the language model writes {lm.num_codebooks} of {lm.codebook_size}; they "
            "belong to different models, so use the codec that the language model was trained with"
        )
