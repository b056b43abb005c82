"""The language model in the transformers layout: its configuration and its weights, both ways."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from songloom.checkpoints.configs import (
    MOST_LAYERS,
    convert_config_errors,
    parse_config,
    section_of,
    whole_number,
)
from songloom.checkpoints.weights import (
    Link,
    Weights,
    collect,
    fill,
    same_tensor,
    weight_and_bias,
)
from songloom.errors import ModelError
from songloom.models.delay import delays_for
from songloom.models.lm import LM, LMConfig
from songloom.models.t5 import T5Config

MUSICGEN, MELODY = "musicgen", "musicgen_melody"
MOST_CODEBOOKS, MOST_CHROMA_FRAMES = 64, 2**16
_LM_PREFIXES = ("decoder.", "enc_to_dec_proj.", "audio_enc_to_dec_proj.")


@dataclass(frozen=True)
class DecoderConfig:
    """The part `decoder` of `config.json`, as far as it shapes the model."""

    vocab_size: int = 2048
    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    ffn_dim: int = 4096
    num_codebooks: int = 4
    audio_channels: int = 1
    activation_function: str = "gelu"
    scale_embedding: bool = False
    tie_word_embeddings: bool = False


def read_config(config: dict[str, Any], path: Path) -> LMConfig:
    """Shape of the language model from `config`, the content of the `config.json` at `path`.

    Raises:
        ModelError: it is another kind of model, or a variant that songloom has no code for.
    """
    kind = config.get("model_type")
    if kind not in (MUSICGEN, MELODY):
        raise ModelError(
            f"{path} describes a model of type {kind!r}, but {MUSICGEN!r} or {MELODY!r} was "
            "expected; choose a MusicGen model"
        )
    decoder = parse_config(DecoderConfig, section_of(config, "decoder", path), path)
    text = parse_config(T5Config, section_of(config, "text_encoder", path), path)
    for key in ("activation_function", "scale_embedding", "tie_word_embeddings"):
        found, expected = getattr(decoder, key), getattr(DecoderConfig, key)
        if found != expected:
            raise ModelError(
                f"{path}: decoder.{key} is {found!r}, but only {expected!r} is supported; "
                "choose a model of the official shapes"
            )
    if decoder.hidden_size % decoder.num_attention_heads:
        raise ModelError(
            f"{path}: decoder.hidden_size is {decoder.hidden_size}, but must be a multiple of "
            f"num_attention_heads ({decoder.num_attention_heads}); copy the model again"
        )
    channels = decoder.audio_channels
    if channels > 2 or decoder.num_codebooks % channels:
        raise ModelError(
            f"{path}: decoder.audio_channels is {channels} with {decoder.num_codebooks} codebooks, "
            "but 1, or 2 with an even number of codebooks, was expected; copy the model again"
        )
    melody = kind == MELODY
    return LMConfig(
        num_codebooks=decoder.num_codebooks,
        codebook_size=decoder.vocab_size,
        hidden_size=decoder.hidden_size,
        num_layers=decoder.num_hidden_layers,
        num_heads=decoder.num_attention_heads,
        ffn_size=decoder.ffn_dim,
        delays=delays_for(decoder.num_codebooks, decoder.audio_channels),
        text_size=text.d_model,
        cross_attention=not melody,
        chroma_bins=whole_number(config, "num_chroma", 12, path) if melody else 0,
        chroma_frames=whole_number(config, "chroma_length", 235, path) if melody else 0,
    )


def read_lm(
    config: LMConfig, weights: Weights, device: torch.device, dtype: torch.dtype | None
) -> LM:
    """The language model from a file with transformers' names.

    Raises:
        ModelError: a weight is missing, left over, or of another shape.
    """
    if config.melody and config.chroma_bins == config.hidden_size:
        raise ModelError(
            f"{weights.source}: chroma and language model both have width {config.hidden_size}, "
            "which leaves no projection between them in this layout; choose another model"
        )
    check_shape(config, weights.source)
    with convert_config_errors(weights.source), torch.device("meta"):
        lm = LM(config)
        if has_no_text_projection(config):
            lm.text_projection = torch.nn.Identity()  # type: ignore[assignment]
    links = lm_links(config)
    fill(lm, links, weights, device, dtype)
    if has_no_text_projection(config):
        lm.text_projection = identity_projection(config, device, lm.norm.weight.dtype)
    known = {name for link in links for name in link.theirs}
    known.add("decoder.model.decoder.embed_positions.weights")  # older files hold this constant
    weights.refuse_leftovers(known, _LM_PREFIXES)
    return lm.eval()


def check_shape(config: LMConfig, source: Path) -> None:
    """Raise ModelError where a language model could be built, but not be used."""
    problem = ""
    if config.hidden_size < 4 or config.hidden_size % 2:
        problem = f"width {config.hidden_size}, but an even one of at least 4 was expected"
    if config.num_layers > MOST_LAYERS or config.num_codebooks > MOST_CODEBOOKS:
        problem = (
            f"{config.num_layers} layers and {config.num_codebooks} codebooks, but at most "
            f"{MOST_LAYERS} and {MOST_CODEBOOKS} were expected"
        )
    if max(config.delays) > MOST_LAYERS or config.chroma_frames > MOST_CHROMA_FRAMES:
        problem = (
            f"delays {config.delays} and {config.chroma_frames} frames of chroma, but at most "
            f"{MOST_LAYERS} steps and {MOST_CHROMA_FRAMES} frames were expected"
        )
    if problem:
        raise ModelError(
            f"{source}: the language model has {problem}; copy or download the model again"
        )


def has_no_text_projection(config: LMConfig) -> bool:
    """Whether transformers has no projection of the text states, their width being right."""
    return config.text_size == config.hidden_size


def identity_projection(
    config: LMConfig, device: torch.device, dtype: torch.dtype
) -> torch.nn.Linear:
    """A projection that changes nothing."""
    width = config.hidden_size
    linear = torch.nn.Linear(width, width, device="meta")
    linear.weight = torch.nn.Parameter(torch.eye(width, device=device, dtype=dtype))
    linear.bias = torch.nn.Parameter(torch.zeros(width, device=device, dtype=dtype))
    return linear


def lm_state(lm: LM) -> dict[str, Tensor]:
    """The language model's weights under transformers' names: the inverse of `read_lm`.

    Raises:
        ModelError: this layout has no place for one of them.
    """
    if has_no_text_projection(lm.config):
        projection = lm.text_projection
        eye = torch.eye(lm.config.text_size, device=projection.weight.device)
        if not torch.equal(projection.weight.float(), eye) or projection.bias.any():
            raise ModelError(
                f"the language model projects text states of its own width, {lm.config.text_size}, "
                "for which the transformers layout has no place; export it in the reference layout"
            )
    return collect(lm, lm_links(lm.config))


def decoder_section(config: LMConfig, channels: int) -> dict[str, Any]:
    """The part `decoder` of `config.json`: the inverse of `read_config`.

    Raises:
        ModelError: transformers could not give the codebooks these delays.
    """
    usual = delays_for(config.num_codebooks, channels)
    if config.delays != usual:
        raise ModelError(
            f"the model delays its codebooks by {config.delays}, but transformers always delays "
            f"them by {usual}; export it in the reference layout"
        )
    decoder = DecoderConfig(
        vocab_size=config.codebook_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        ffn_dim=config.ffn_size,
        num_codebooks=config.num_codebooks,
        audio_channels=channels,
    )
    kind = MELODY if config.melody else MUSICGEN
    return {
        "model_type": f"{kind}_decoder",
        "pad_token_id": config.special_token,
        "bos_token_id": config.special_token,
        **dataclasses.asdict(decoder),
    }


def lm_links(config: LMConfig) -> list[Link]:
    """Names of the language model's tensors in transformers' files."""
    decoder = "decoder.model.decoder."
    books = range(config.num_codebooks)
    links = [
        same_tensor(f"embeddings.{k}.weight", f"{decoder}embed_tokens.{k}.weight") for k in books
    ]
    links.append(Link(("heads.weight",), tuple(f"decoder.lm_heads.{k}.weight" for k in books)))
    for i in range(config.num_layers):
        links += _block_links(f"blocks.{i}.", f"{decoder}layers.{i}.", config.cross_attention)
    renamed = [("norm", f"{decoder}layer_norm")]
    if not has_no_text_projection(config):
        renamed.append(("text_projection", "enc_to_dec_proj"))
    if config.melody:
        renamed.append(("chroma_projection", "audio_enc_to_dec_proj"))
    return links + [link for ours, theirs in renamed for link in weight_and_bias(ours, theirs)]


def _block_links(ours: str, theirs: str, cross_attention: bool) -> list[Link]:
    qkv = [f"{theirs}self_attn.{part}_proj.weight" for part in "qkv"]
    links = [
        Link((f"{ours}attention.qkv.weight",), tuple(qkv)),
        same_tensor(f"{ours}attention.out.weight", f"{theirs}self_attn.out_proj.weight"),
        same_tensor(f"{ours}ffn_in.weight", f"{theirs}fc1.weight"),
        same_tensor(f"{ours}ffn_out.weight", f"{theirs}fc2.weight"),
        *weight_and_bias(f"{ours}attention_norm", f"{theirs}self_attn_layer_norm"),
        *weight_and_bias(f"{ours}ffn_norm", f"{theirs}final_layer_norm"),
    ]
    if cross_attention:
        text = f"{theirs}encoder_attn."
        links += [
            same_tensor(f"{ours}cross.q.weight", f"{text}q_proj.weight"),
            Link((f"{ours}cross.kv.weight",), (f"{text}k_proj.weight", f"{text}v_proj.weight")),
            same_tensor(f"{ours}cross.out.weight", f"{text}out_proj.weight"),
            *weight_and_bias(f"{ours}cross_norm", f"{theirs}encoder_attn_layer_norm"),
        ]
    return links
