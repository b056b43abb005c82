"""The text encoder from a folder: tokenizer and T5 weights."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from songloom.checkpoints.configs import convert_config_errors, parse_config, read_json, section_of
from songloom.checkpoints.weights import (
    DOWNLOAD_AGAIN,
    SAFETENSORS,
    Link,
    Weights,
    collect,
    fill,
    open_weights,
    same_tensor,
)
from songloom.errors import ModelError
from songloom.models.t5 import T5Config, T5Encoder
from songloom.models.text import TextEncoder

TOKENIZER = "tokenizer.json"
EMBEDDING, OTHER_EMBEDDING = "shared.weight", "encoder.embed_tokens.weight"
"""Names under which T5 holds its one embedding table; a file has either or both."""


def read_text_encoder(folder: Path, device: torch.device, dtype: torch.dtype | None) -> TextEncoder:
    """The text encoder of a folder in the transformers layout: of T5 alone, or of a MusicGen model.

    Raises:
        ModelError: a file is missing, broken or of another kind of model.
    """
    path = folder / "config.json"
    config, prefix = read_json(path), ""
    if str(config.get("model_type")).startswith("musicgen"):
        config, prefix = section_of(config, "text_encoder", path), "text_encoder."
    return text_encoder_from(folder, config, open_weights(folder), prefix, device, dtype)


def write_text_encoder(text: TextEncoder, tokenizer_folder: Path, folder: Path) -> None:
    """Write T5 alone, with its tokenizer, into an existing folder."""
    from safetensors.torch import save_file

    save_file(text_state(text.encoder), folder / SAFETENSORS, metadata={"format": "pt"})
    config = {**text_section(text.encoder.config), "architectures": ["T5EncoderModel"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True), "utf-8")
    copy_tokenizer(tokenizer_folder, folder)


def text_state(encoder: T5Encoder) -> dict[str, Tensor]:
    """T5's weights on the CPU, under transformers' names."""
    return collect(encoder, text_links(encoder.config))


def text_section(config: T5Config) -> dict[str, Any]:
    """The text encoder's part of `config.json`."""
    return {"model_type": "t5", **dataclasses.asdict(config)}


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy a tokenizer's files.

    Raises:
        ModelError: there are none.
    """
    if not (source / TOKENIZER).is_file():
        raise ModelError(
            f"{source / TOKENIZER} is missing; it holds the tokenizer. {DOWNLOAD_AGAIN}"
        )
    for name in (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "spiece.model"):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def text_encoder_from(
    tokenizer_folder: Path,
    config: dict[str, Any],
    weights: Weights,
    prefix: str,
    device: torch.device,
    dtype: torch.dtype | None,
) -> TextEncoder:
    """A text encoder whose weights stand under `prefix` in a larger file.

    Raises:
        ModelError: a file is missing, broken or of another kind of model.
    """
    from tokenizers import Tokenizer

    kind = config.get("model_type")
    if kind != "t5":
        raise ModelError(
            f"{weights.source}: the text encoder is of type {kind!r}, but only 't5' is supported; "
            "use a MusicGen model with a T5 text encoder"
        )
    path = tokenizer_folder / TOKENIZER
    if not path.is_file():
        raise ModelError(f"{path} is missing; it holds the tokenizer. {DOWNLOAD_AGAIN}")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers library raises nothing more precise
        raise ModelError(f"{path} is not a tokenizer ({error}). {DOWNLOAD_AGAIN}") from error
    parsed = parse_config(T5Config, config, weights.source)
    if parsed.feed_forward_proj not in ("relu", "gated-gelu"):
        raise ModelError(
            f"{weights.source}: feed_forward_proj of the text encoder is "
            f"{parsed.feed_forward_proj!r}, but only 'relu' and 'gated-gelu' are supported; use a "
            "model with a T5 or Flan-T5 text encoder"
        )
    buckets = parsed.relative_attention_num_buckets
    farthest = parsed.relative_attention_max_distance
    if buckets < 4 or buckets % 2 or farthest <= buckets // 4:
        raise ModelError(
            f"{weights.source}: the text encoder has {buckets} buckets for distances of up to "
            f"{farthest}, but an even number from 4 on, and more distances than a quarter of it, "
            f"were expected. {DOWNLOAD_AGAIN}"
        )
    with convert_config_errors(weights.source), torch.device("meta"):
        encoder = T5Encoder(parsed)
    embedding = EMBEDDING if prefix + EMBEDDING in weights else OTHER_EMBEDDING
    fill(encoder, text_links(parsed, prefix, embedding), weights, device, dtype)
    return TextEncoder(tokenizer, encoder)


def text_links(config: T5Config, prefix: str = "", embedding: str = EMBEDDING) -> list[Link]:
    """Names of T5's tensors in transformers' files."""
    stack = f"{prefix}encoder."
    bias = f"{stack}block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    links = [
        same_tensor("embedding.weight", prefix + embedding),
        same_tensor("position_bias.table.weight", bias),
        same_tensor("norm.weight", f"{stack}final_layer_norm.weight"),
    ]
    feed_forward = {"ffn_in": "wi", "ffn_out": "wo"}
    if config.feed_forward_proj == "gated-gelu":
        feed_forward = {"ffn_gate": "wi_0", "ffn_in": "wi_1", "ffn_out": "wo"}
    for i in range(config.num_layers):
        ours, theirs = f"blocks.{i}.", f"{stack}block.{i}.layer."
        names = {part: f"0.SelfAttention.{part}" for part in "qkvo"}
        names |= {part: f"1.DenseReluDense.{name}" for part, name in feed_forward.items()}
        names |= {"attention_norm": "0.layer_norm", "ffn_norm": "1.layer_norm"}
        links += [same_tensor(f"{ours}{a}.weight", f"{theirs}{b}.weight") for a, b in names.items()]
    return links
