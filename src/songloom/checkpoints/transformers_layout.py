"""Folders in the transformers MusicGen or MusicGen-Melody layout: songloom's own format.

`config.json`, `model.safetensors` (or shards, or `pytorch_model.bin`), `generation_config.json`,
`preprocessor_config.json` and a tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from songloom.checkpoints import transformers_lm as lm_files
from songloom.checkpoints.codec_files import check_codebooks, codec_from, codec_section
from songloom.checkpoints.components import Components, ModelInfo
from songloom.checkpoints.configs import read_json, section_of, whole_number
from songloom.checkpoints.diffusion_files import find_diffusion
from songloom.checkpoints.text_files import (
    copy_tokenizer,
    text_encoder_from,
    text_section,
    text_state,
)
from songloom.checkpoints.weights import SAFETENSORS, open_weights
from songloom.models.chroma import HOP, WINDOW
from songloom.models.text import TextEncoder
from songloom.progress import ProgressCallback

DEFAULT_WINDOW_SECONDS = 30.0
_TEXT, _CODEC = "text_encoder", "audio_encoder"


def read_components(
    folder: Path,
    name: str,
    licence: str,
    device: torch.device,
    dtype: torch.dtype | None,
    module_dtype: torch.dtype | None,
    on_event: ProgressCallback | None = None,
) -> Components:
    """Read a whole model.

    Args:
        folder: the model's folder.
        name: what the model is called in messages.
        licence: what its weights may be used for.
        device: where the tensors go.
        dtype: precision of the language model; None keeps the file's.
        module_dtype: precision of the codec and the text encoder; None keeps the file's.
        on_event: told of a download's progress, if diffusion weights are asked for.

    Raises:
        ModelError: a file is missing, broken, or of a kind that is not supported.
    """
    path = folder / "config.json"
    config = read_json(path)
    lm_config = lm_files.read_config(config, path)
    weights = open_weights(folder)
    lm = lm_files.read_lm(lm_config, weights, device, dtype)
    channels = whole_number(section_of(config, "decoder", path), "audio_channels", 1, path)
    codec = codec_from(
        section_of(config, _CODEC, path), weights, f"{_CODEC}.", channels, device, module_dtype
    )
    check_codebooks(codec, lm_config, path)
    text = text_encoder_from(
        folder, section_of(config, _TEXT, path), weights, f"{_TEXT}.", device, module_dtype
    )
    info = ModelInfo(
        name=name,
        path=folder,
        licence=licence,
        channels=channels,
        sample_rate=codec.sample_rate,
        frame_rate=codec.frame_rate,
        melody=lm_config.melody,
        window_seconds=window_seconds(folder, codec.frame_rate),
        parameters=sum(p.numel() for p in lm.parameters()),
    )
    return Components(lm, codec, text, info, find_diffusion(folder, codec, on_event))


def write_components(
    components: Components, text: TextEncoder, text_folder: Path, folder: Path
) -> None:
    """Write a whole model into an existing folder: the inverse of `read_components`.

    Args:
        components: the model; its codec's weight norm must not have been folded.
        text: the text encoder itself.
        text_folder: where the tokenizer's files lie.
        folder: where to write.

    Raises:
        ModelError: transformers has no such model.
    """
    from safetensors.torch import save_file

    lm, codec = components.lm, components.codec
    state = lm_files.lm_state(lm)
    state |= {f"{_CODEC}.{n}": t.cpu() for n, t in codec.encodec.state_dict().items()}
    state |= {f"{_TEXT}.{n}": t for n, t in text_state(text.encoder).items()}
    save_file(
        {n: t.detach().contiguous() for n, t in state.items()},
        folder / SAFETENSORS,
        metadata={"format": "pt"},
    )
    for file, content in (
        ("config.json", _config(components, text)),
        ("generation_config.json", _generation_config(components)),
        ("preprocessor_config.json", _preprocessor_config(components)),
    ):
        text_of = json.dumps(content, indent=2, sort_keys=True) + "\n"
        (folder / file).write_text(text_of, "utf-8")
    copy_tokenizer(text_folder, folder)


def _config(components: Components, text: TextEncoder) -> dict[str, Any]:
    lm, melody = components.lm.config, components.lm.config.melody
    config: dict[str, Any] = {
        "model_type": lm_files.MELODY if melody else lm_files.MUSICGEN,
        "architectures": [
            f"Musicgen{'Melody' if melody else ''}ForConditionalGeneration",
        ],
        "is_encoder_decoder": True,
        "decoder": lm_files.decoder_section(lm, components.info.channels),
        _CODEC: codec_section(components.codec.encodec.config),
        _TEXT: text_section(text.encoder.config),
    }
    if melody:
        config |= {"num_chroma": lm.chroma_bins, "chroma_length": lm.chroma_frames}
    return config


def _generation_config(components: Components) -> dict[str, Any]:
    info, special = components.info, components.lm.config.special_token
    return {
        "max_length": round(info.window_seconds * info.frame_rate),
        "do_sample": True,
        "guidance_scale": 3.0,
        "bos_token_id": special,
        "pad_token_id": special,
        "decoder_start_token_id": special,
    }


def _preprocessor_config(components: Components) -> dict[str, Any]:
    info, lm = components.info, components.lm.config
    common = {"padding_side": "left", "padding_value": 0.0, "sampling_rate": info.sample_rate}
    if not lm.melody:
        return {
            **common,
            "feature_extractor_type": "EncodecFeatureExtractor",
            "feature_size": info.channels,
            "processor_class": "MusicgenProcessor",
            "return_attention_mask": True,
        }
    return {
        **common,
        "feature_extractor_type": "MusicgenMelodyFeatureExtractor",
        "feature_size": lm.chroma_bins,
        "num_chroma": lm.chroma_bins,
        "chunk_length": round(info.window_seconds),
        "hop_length": HOP,
        "n_fft": WINDOW,
        "processor_class": "MusicgenMelodyProcessor",
        "return_attention_mask": False,
        "stem_indices": [3, 2],
    }


def window_seconds(folder: Path, frame_rate: float) -> float:
    """The longest stretch that a model in a folder has learned to see at once."""
    path = folder / "generation_config.json"
    if not path.is_file():
        return DEFAULT_WINDOW_SECONDS
    frames = read_json(path).get("max_length")
    if not isinstance(frames, int) or frames <= 0:
        return DEFAULT_WINDOW_SECONDS
    return whole_number({"max_length": frames}, "max_length", 1, path) / frame_rate
