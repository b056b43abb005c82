"""A model's codec without its language model: what preparing songs needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from songloom.checkpoints import codec_files, reference, transformers_lm
from songloom.checkpoints.configs import read_json, section_of, whole_number
from songloom.checkpoints.hub import resolve
from songloom.checkpoints.peft_config import is_adapter, read_peft_config
from songloom.checkpoints.weights import has_weights
from songloom.errors import ModelError
from songloom.models.codec import Codec
from songloom.progress import ProgressCallback


@dataclass(frozen=True, eq=False)
class ModelCodec:
    """The codec of a model."""

    codec: Codec
    chroma_bins: int | None
    """Pitch classes of the melodies that the model follows; None if it follows none."""


def model_path(name_or_path: str | Path, on_event: ProgressCallback | None = None) -> Path:
    """Where the model lies whose codec `read_model_codec` reads: of an adapter, its base.

    Raises:
        ModelError: the model is unknown or can't be fetched, or an adapter names no base.
    """
    path, seen = resolve(name_or_path, on_event), []
    while is_adapter(path):
        base = read_peft_config(path).base
        if not base or path in seen:
            raise ModelError(
                f"the adapter in {path} does not say which model it was trained on; name that model"
            )
        seen.append(path)
        path = resolve(base, on_event)
    return path


def read_model_codec(
    path: Path, device: torch.device, on_event: ProgressCallback | None = None
) -> ModelCodec:
    """The codec of the model in a folder or a file, in float32.

    Raises:
        ModelError: a file is missing or broken, or it is no model.
    """
    if path.is_dir() and (path / "config.json").is_file() and has_weights(path):
        config = read_json(path / "config.json")
        lm = transformers_lm.read_config(config, path / "config.json")
        decoder = section_of(config, "decoder", path / "config.json")
        channels = whole_number(decoder, "audio_channels", 1, path / "config.json")
        codec = codec_files.read_codec(path, channels, device, torch.float32)
        return ModelCodec(codec, lm.chroma_bins if lm.melody else None)
    checkpoint = reference.checkpoint_file(path)
    if checkpoint is None:
        raise ModelError(f"{path} holds no model; name one that `songloom models` lists")
    codec, lm = reference.read_codec_of(checkpoint, device, on_event)
    return ModelCodec(codec, lm.chroma_bins if lm.melody else None)
