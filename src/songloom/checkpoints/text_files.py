"""The text encoder from a folder: tokenizer and T5 weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from songloom.checkpoints.configs import parse_config, read_json
from songloom.checkpoints.weights import DOWNLOAD_AGAIN, Link, Weights, fill, open_weights, same
from songloom.errors import ModelError
from songloom.models.text import TextEncoder

TOKENIZER = "tokenizer.json"


def read_text_encoder(folder: Path, device: torch.device, dtype: torch.dtype | None) -> TextEncoder:
    """A folder of T5 alone (`config.json`, weights, tokenizer); a decoder in it is left out.

    Raises:
        ModelError: a file is missing, broken or of another kind of model.
    """
    config = read_json(folder / "config.json")
    return text_encoder_from(folder, config, open_weights(folder), "", device, dtype)


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
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5EncoderModel

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
    with torch.device("meta"):
        encoder = T5EncoderModel(parsed)
    fill(encoder, text_links(encoder, weights, prefix), weights, device, dtype)
    encoder.set_input_embeddings(encoder.shared)  # one table again, not two equal ones
    return TextEncoder(tokenizer, encoder)


def text_links(encoder: torch.nn.Module, weights: Weights | None, prefix: str) -> list[Link]:
    """Names of T5's tensors; a file may hold its one embedding table under either of two names."""
    shared = f"{prefix}shared.weight"
    if weights is not None and shared not in weights:
        shared = f"{prefix}encoder.embed_tokens.weight"
    return [same(name, shared if name in TIED else prefix + name) for name in encoder.state_dict()]


TIED = ("shared.weight", "encoder.embed_tokens.weight")
"""Names under which T5 holds its one embedding table."""
