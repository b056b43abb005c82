"""The codec of a reference checkpoint: its configuration and its weights, both ways.

It is the same EnCodec network as in transformers: the layers have the same numbers, the names
around them differ.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor, nn

from songloom.checkpoints.codec_files import OLD_NORM_NAMES, empty_encodec
from songloom.checkpoints.config_tree import ConfigTree, tree_of
from songloom.checkpoints.configs import convert_config_errors
from songloom.checkpoints.weights import Link, Weights, collect, fill, same_tensor
from songloom.models.codec import Codec
from songloom.models.encodec import Encodec, EncodecConfig

_CODEC_VALUES: dict[str, Any] = {
    "compression_model": "encodec",
    "encodec.autoencoder": "seanet",
    "encodec.quantizer": "rvq",
    "seanet.activation": "ELU",
    "seanet.activation_params.alpha": 1.0,
    "seanet.disable_norm_outer_blocks": 0,
    "seanet.decoder.final_activation": None,
    "seanet.encoder": {},
}


def read_codec(
    cfg: ConfigTree,
    weights: Weights,
    channels: int,
    device: torch.device,
    dtype: torch.dtype | None,
) -> Codec:
    """The codec from the reference library's configuration and names.

    Args:
        cfg: the codec's configuration.
        weights: the codec's weights.
        channels: audio channels of the model; a stereo model codes left and right apart.
        device: where the tensors go.
        dtype: their precision; None keeps the file's.

    Raises:
        ModelError: a value is one that songloom has no code for, or a weight is missing, left over,
            or of another shape.
    """
    with convert_config_errors(cfg.source):
        config = read_config(cfg)
    encodec = empty_encodec(config, weights)
    links = codec_links(encodec)
    fill(encodec, links, weights, device, dtype)
    weights.refuse_leftovers((n for link in links for n in link.theirs), ("",))
    return Codec(encodec, channels)


def codec_state(encodec: Encodec) -> dict[str, Tensor]:
    """The codec's weights under the reference library's names: the inverse of `read_codec`."""
    return collect(encodec, codec_links(encodec))


def read_config(cfg: ConfigTree) -> EncodecConfig:
    """Understand a codec's configuration.

    Raises:
        ModelError: a value is missing, or is one that songloom has no code for.
    """
    cfg.require(_CODEC_VALUES)
    ratios, sample_rate = cfg.integers("seanet.ratios"), cfg.integer("sample_rate")
    codes = cfg.integer("rvq.bins")
    return EncodecConfig(
        target_bandwidths=(
            _bandwidth(cfg.integer("rvq.n_q"), codes, math.ceil(sample_rate / math.prod(ratios))),
        ),
        sampling_rate=sample_rate,
        audio_channels=cfg.integer("channels"),
        normalize=bool(cfg.find("encodec.renormalize")),
        hidden_size=cfg.integer("seanet.dimension"),
        num_filters=cfg.integer("seanet.n_filters"),
        num_residual_layers=cfg.integer("seanet.n_residual_layers"),
        upsampling_ratios=tuple(ratios),
        norm_type=str(cfg.find("seanet.norm")),
        kernel_size=cfg.integer("seanet.kernel_size"),
        last_kernel_size=cfg.integer("seanet.last_kernel_size"),
        residual_kernel_size=cfg.integer("seanet.residual_kernel_size"),
        dilation_growth_rate=cfg.integer("seanet.dilation_base"),
        use_causal_conv=bool(cfg.find("seanet.causal")),
        pad_mode=str(cfg.find("seanet.pad_mode")),
        compress=cfg.integer("seanet.compress"),
        num_lstm_layers=cfg.integer("seanet.lstm"),
        trim_right_ratio=cfg.number("seanet.decoder.trim_right_ratio"),
        codebook_size=codes,
        codebook_dim=cfg.integer("seanet.dimension"),
        use_conv_shortcut=not cfg.find("seanet.true_skip"),
    )


def config_tree(config: EncodecConfig) -> dict[str, Any]:
    """The tree from which the reference library builds the codec: `read_config`'s inverse."""
    return tree_of(
        {
            **_CODEC_VALUES,
            "device": "cpu",
            "sample_rate": config.sampling_rate,
            "channels": config.audio_channels,
            "encodec.sample_rate": config.sampling_rate,
            "encodec.channels": config.audio_channels,
            "encodec.causal": config.use_causal_conv,
            "encodec.renormalize": config.normalize,
            "seanet.dimension": config.hidden_size,
            "seanet.channels": config.audio_channels,
            "seanet.causal": config.use_causal_conv,
            "seanet.n_filters": config.num_filters,
            "seanet.n_residual_layers": config.num_residual_layers,
            "seanet.ratios": list(config.upsampling_ratios),
            "seanet.norm": config.norm_type,
            "seanet.norm_params": {},
            "seanet.kernel_size": config.kernel_size,
            "seanet.residual_kernel_size": config.residual_kernel_size,
            "seanet.last_kernel_size": config.last_kernel_size,
            "seanet.dilation_base": config.dilation_growth_rate,
            "seanet.pad_mode": config.pad_mode,
            "seanet.true_skip": not config.use_conv_shortcut,
            "seanet.compress": config.compress,
            "seanet.lstm": config.num_lstm_layers,
            "seanet.decoder.trim_right_ratio": config.trim_right_ratio,
            "seanet.decoder.final_activation_params": None,
            "rvq.n_q": config.num_quantizers,
            "rvq.q_dropout": False,
            "rvq.bins": config.codebook_size,
            "rvq.decay": 0.99,
            "rvq.kmeans_init": False,
            "rvq.kmeans_iters": 50,
            "rvq.threshold_ema_dead_code": 2,
            "rvq.orthogonal_reg_weight": 0.0,
            "rvq.orthogonal_reg_active_codes_only": False,
        }
    )


def codec_links(encodec: nn.Module) -> list[Link]:
    """Names of the codec's tensors in the reference library's `compression_state_dict.bin`."""
    return [same_tensor(name, _reference_name(name, encodec)) for name in encodec.state_dict()]


def _reference_name(name: str, encodec: nn.Module) -> str:
    for new_part, old_part in OLD_NORM_NAMES.items():
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


def _bandwidth(num_codebooks: int, codebook_size: int, frame_rate: int) -> float:
    """Kilobits per second, from which the codebooks are counted, rounding down."""
    bits = num_codebooks * math.ceil(math.log2(codebook_size)) * frame_rate
    return math.nextafter(bits / 1000, math.inf) if 1000 * (bits / 1000) < bits else bits / 1000
