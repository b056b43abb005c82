"""The language model of a reference checkpoint: its configuration and its weights, both ways.

The configuration (`xp.cfg`) says far more than a model's shape. Whatever would change what the
model computes is checked; the rest (training, caching) is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from songloom.checkpoints.components import ModelInfo
from songloom.checkpoints.config_tree import ConfigTree, tree_of
from songloom.checkpoints.configs import convert_config_errors
from songloom.checkpoints.transformers_lm import check_shape
from songloom.checkpoints.weights import (
    Link,
    Weights,
    collect,
    fill,
    same_tensor,
    weight_and_bias,
)
from songloom.errors import ModelError
from songloom.models.chroma import HOP, WINDOW, chroma_frames
from songloom.models.lm import LM, LMConfig

OFFICIAL_CODEC = "facebook/encodec_32khz"
OFFICIAL_TEXT = "t5-base"
_PRETRAINED = "//pretrained/"
_CONDITIONERS = "condition_provider.conditioners."
_CHROMA_WINDOW = f"{_CONDITIONERS}self_wav.chroma.spec.window"


@dataclass(frozen=True)
class ReferenceModel:
    """The language model's part of the configuration."""

    lm: LMConfig
    channels: int
    segment_seconds: float
    """Length of the audio that the model was trained on."""
    text_encoder: str = OFFICIAL_TEXT
    """Name of the T5 model."""
    codec: str | None = OFFICIAL_CODEC
    """Hub id of the codec; None where the configuration names a private file of its maker's."""


_LM_VALUES: dict[str, Any] = {
    "lm_model": "transformer_lm",
    "codebooks_pattern.modeling": "delay",
    "codebooks_pattern.delay.flatten_first": 0,
    "codebooks_pattern.delay.empty_initial": 0,
    "transformer_lm.activation": "gelu",
    "transformer_lm.norm_first": True,
    "transformer_lm.bias_ff": False,
    "transformer_lm.bias_attn": False,
    "transformer_lm.bias_proj": False,
    "transformer_lm.past_context": None,
    "transformer_lm.causal": True,
    "transformer_lm.layer_scale": None,
    "transformer_lm.positional_embedding": "sin",
    "transformer_lm.xpos": False,
    "transformer_lm.norm": "layer_norm",
    "transformer_lm.qk_layer_norm": False,
    "transformer_lm.qk_layer_norm_cross": False,
    "transformer_lm.kv_repeat": 1,
    "fuser.cross_attention_pos_emb": False,
    "fuser.sum": [],
    "fuser.input_interpolate": [],
    "conditioners.description.model": "t5",
    "conditioners.description.t5.normalize_text": False,
    "interleave_stereo_codebooks.per_timestep": False,
}
"""Values that songloom has code for; what a configuration leaves out is taken to have them."""

_MELODY_VALUES: dict[str, Any] = {
    "fuser.prepend": ["self_wav", "description"],
    "fuser.cross": [],
    "conditioners.self_wav.model": "chroma_stem",
    "conditioners.self_wav.chroma_stem.radix2_exp": WINDOW.bit_length() - 1,
    "conditioners.self_wav.chroma_stem.argmax": True,
}
_TEXT_VALUES: dict[str, Any] = {
    "fuser.prepend": [],
    "fuser.cross": ["description"],
}


def read_config(cfg: ConfigTree, text_size: int) -> ReferenceModel:
    """Understand a language model's configuration.

    Args:
        cfg: the configuration.
        text_size: width of the text encoder's states, which only the weights tell.

    Raises:
        ModelError: a value is missing, or is one that songloom has no code for.
    """
    melody = cfg.find("conditioners.self_wav") is not None
    cfg.require(_LM_VALUES)
    cfg.require(_MELODY_VALUES if melody else _TEXT_VALUES)
    width, heads = cfg.integer("transformer_lm.dim"), cfg.integer("transformer_lm.num_heads")
    if width % heads:
        raise ModelError(
            f"{cfg.source}: transformer_lm.dim is {width}, but must be a multiple of num_heads "
            f"({heads}); get the checkpoint again"
        )
    books = cfg.integer("transformer_lm.n_q")
    delays = tuple(cfg.integers("codebooks_pattern.delay.delays"))
    if len(delays) != books or delays[0] != 0 or tuple(sorted(delays)) != delays:
        raise ModelError(
            f"{cfg.source}: codebooks_pattern.delay.delays is {delays}, but {books} delays were "
            "expected, from 0 on and none below the one before; get the checkpoint again"
        )
    seconds = cfg.number("dataset.segment_duration")
    samples = int(seconds * cfg.integer("sample_rate"))
    bins = cfg.integer("conditioners.self_wav.chroma_stem.n_chroma") if melody else 0
    lm = LMConfig(
        num_codebooks=books,
        codebook_size=cfg.integer("transformer_lm.card"),
        hidden_size=width,
        num_layers=cfg.integer("transformer_lm.num_layers"),
        num_heads=heads,
        ffn_size=int(width * cfg.number("transformer_lm.hidden_scale")),
        delays=delays,
        text_size=text_size,
        cross_attention=not melody,
        chroma_bins=bins,
        chroma_frames=chroma_frames(samples) if melody else 0,
    )
    codec = str(cfg.find("compression_model_checkpoint") or "")
    return ReferenceModel(
        lm=lm,
        channels=2 if cfg.find("interleave_stereo_codebooks.use") else 1,
        segment_seconds=seconds,
        text_encoder=str(cfg.find("conditioners.description.t5.name") or OFFICIAL_TEXT),
        codec=codec.removeprefix(_PRETRAINED) if codec.startswith(_PRETRAINED) else None,
    )


def config_tree(model: ReferenceModel, sample_rate: int) -> dict[str, Any]:
    """All that the reference library needs to build the model: the inverse of `read_config`."""
    lm = model.lm
    chroma = "conditioners.self_wav.chroma_stem."
    melody = {
        **_MELODY_VALUES,
        f"{chroma}sample_rate": sample_rate,
        f"{chroma}n_chroma": lm.chroma_bins,
        f"{chroma}match_len_on_eval": True,
        f"{chroma}eval_wavs": None,
        f"{chroma}n_eval_wavs": 100,
        f"{chroma}cache_path": None,
    }
    return tree_of(
        {
            **_LM_VALUES,
            **(melody if lm.melody else _TEXT_VALUES),
            "device": "cpu",
            "dtype": "float32",
            "channels": model.channels,
            "sample_rate": sample_rate,
            "codebooks_pattern.delay.delays": list(lm.delays),
            "transformer_lm.dim": lm.hidden_size,
            "transformer_lm.num_heads": lm.num_heads,
            "transformer_lm.num_layers": lm.num_layers,
            "transformer_lm.hidden_scale": _whole_if_possible(lm.ffn_size / lm.hidden_size),
            "transformer_lm.n_q": lm.num_codebooks,
            "transformer_lm.card": lm.codebook_size,
            "transformer_lm.dropout": 0.0,
            "transformer_lm.emb_lr": None,
            "transformer_lm.custom": False,
            "transformer_lm.memory_efficient": True,
            "transformer_lm.attention_as_float32": False,
            "transformer_lm.checkpointing": "none",
            "transformer_lm.weight_init": "gaussian",
            "transformer_lm.depthwise_init": "current",
            "transformer_lm.zero_bias_init": True,
            "transformer_lm.cross_attention": lm.cross_attention,
            "transformer_lm.attention_dropout": None,
            "transformer_lm.two_step_cfg": False,
            "classifier_free_guidance.training_dropout": 0.3,
            "classifier_free_guidance.inference_coef": 3.0,
            "attribute_dropout": {},
            "fuser.cross_attention_pos_emb_scale": 1,
            "conditioners.description.t5.name": model.text_encoder,
            "conditioners.description.t5.finetune": False,
            "conditioners.description.t5.word_dropout": 0.3,
            "dataset.segment_duration": _whole_if_possible(model.segment_seconds),
            "interleave_stereo_codebooks.use": model.channels == 2,
            "compression_model_checkpoint": _PRETRAINED + (model.codec or OFFICIAL_CODEC),
        }
    )


def segment_seconds(lm: LMConfig, info: ModelInfo) -> float:
    """Length of audio from which the reference library gets as many frames of chroma as the model.

    It derives their number from the length of its training audio, where we hold it on its own.
    """
    frames = chroma_frames(int(info.window_seconds * info.sample_rate))
    if not lm.melody or frames == lm.chroma_frames:
        return info.window_seconds
    middle = (lm.chroma_frames - 0.5) * HOP / info.sample_rate
    return round(middle * info.frame_rate) / info.frame_rate  # a whole number of token frames


def read_lm(
    config: LMConfig, weights: Weights, device: torch.device, dtype: torch.dtype | None
) -> LM:
    """The language model from the reference library's names.

    Raises:
        ModelError: a weight is missing, left over, or of another shape.
    """
    check_shape(config, weights.source)
    with convert_config_errors(weights.source), torch.device("meta"):
        lm = LM(config)
    links = lm_links(config)
    fill(lm, links, weights, device, dtype)
    known = {name for link in links for name in link.theirs} | {_CHROMA_WINDOW}
    weights.refuse_leftovers(
        known, ("emb.", "linears.", "out_norm.", "transformer.", _CONDITIONERS)
    )
    return lm.eval()


def lm_state(lm: LM) -> dict[str, Tensor]:
    """Weights under the reference library's names: the inverse of `read_lm`."""
    state = collect(lm, lm_links(lm.config))
    if lm.config.melody:
        state[_CHROMA_WINDOW] = torch.hann_window(WINDOW)
    return state


def text_size(weights: Weights) -> int:
    """Width of the text encoder's states, which stands in no configuration.

    Raises:
        ModelError: the weights lack the projection of these states.
    """
    return weights.width(f"{_CONDITIONERS}description.output_proj.weight")


def lm_links(config: LMConfig) -> list[Link]:
    """Names of the language model's tensors in the reference library's files."""
    books = range(config.num_codebooks)
    links = [same_tensor(f"embeddings.{k}.weight", f"emb.{k}.weight") for k in books]
    links.append(Link(("heads.weight",), tuple(f"linears.{k}.weight" for k in books)))
    for i in range(config.num_layers):
        links += _block_links(f"blocks.{i}.", f"transformer.layers.{i}.", config.cross_attention)
    links += weight_and_bias("norm", "out_norm")
    links += weight_and_bias("text_projection", f"{_CONDITIONERS}description.output_proj")
    if config.melody:
        links += weight_and_bias("chroma_projection", f"{_CONDITIONERS}self_wav.output_proj")
    return links


def _block_links(ours: str, theirs: str, cross_attention: bool) -> list[Link]:
    links = [
        same_tensor(f"{ours}attention.qkv.weight", f"{theirs}self_attn.in_proj_weight"),
        same_tensor(f"{ours}attention.out.weight", f"{theirs}self_attn.out_proj.weight"),
        same_tensor(f"{ours}ffn_in.weight", f"{theirs}linear1.weight"),
        same_tensor(f"{ours}ffn_out.weight", f"{theirs}linear2.weight"),
        *weight_and_bias(f"{ours}attention_norm", f"{theirs}norm1"),
        *weight_and_bias(f"{ours}ffn_norm", f"{theirs}norm2"),
    ]
    if cross_attention:
        text = f"{theirs}cross_attention."
        links += [
            Link((f"{ours}cross.q.weight", f"{ours}cross.kv.weight"), (f"{text}in_proj_weight",)),
            same_tensor(f"{ours}cross.out.weight", f"{text}out_proj.weight"),
            *weight_and_bias(f"{ours}cross_norm", f"{theirs}norm_cross"),
        ]
    return links


def _whole_if_possible(value: float) -> int | float:
    return int(value) if value == int(value) else value
