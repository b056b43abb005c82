"""The text encoder from a folder: tokenizer and T5 weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from songloom.checkpoints.configs import parse_config, read_json, section_of
from songloom.checkpoints.weights import (
    DOWNLOAD_AGAIN,
    SAFETENSORS,
    Link,
    Weights,
    fill,
    open_weights,
    same,
)
from songloom.errors import ModelError
from songloom.models.text import TextEncoder

TOKENIZER = "tokenizer.json"
TIED = ("shared.weight", "encoder.embed_tokens.weight")
"""Names under which T5 holds its one embedding table."""


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
    config = {**text.encoder.config.to_dict(), "architectures": ["T5EncoderModel"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True), "utf-8")
    copy_tokenizer(tokenizer_folder, folder)


def text_state(encoder: nn.Module) -> dict[str, Tensor]:
    """T5's weights on the CPU, its one embedding table once, as transformers writes them."""
    return {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in encoder.state_dict().items()
        if name != TIED[1]
    }


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
    fill(encoder, _links(encoder, weights, prefix), weights, device, dtype)
    encoder.set_input_embeddings(encoder.shared)  # one table again, not two equal ones
    return TextEncoder(tokenizer, encoder)


def _links(encoder: nn.Module, weights: Weights, prefix: str) -> list[Link]:
    """Names of T5's tensors; a file may hold its one embedding table under either of two names."""
    shared = f"{prefix}shared.weight"
    if shared not in weights:
        shared = f"{prefix}encoder.embed_tokens.weight"
    return [same(name, shared if name in TIED else prefix + name) for name in encoder.state_dict()]
