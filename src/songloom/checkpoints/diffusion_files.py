"""Where a model's diffusion weights lie, and songloom's own layout of them.

That is a folder `diffusion` in the model's, with `config.json` (sample rate, and for each band its
network, schedule and processor) and `model.safetensors`. The published file may lie in the model's
folder as well; for models with MusicGen's own codec it is fetched from the hub.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import torch

from songloom.checkpoints.catalogue import DIFFUSION_FILE, DIFFUSION_REPO, NON_COMMERCIAL
from songloom.checkpoints.components import LazyDiffusion
from songloom.checkpoints.configs import (
    LARGEST_SIZE,
    convert_config_errors,
    parse_config,
    read_json,
)
from songloom.checkpoints.hub import download_file
from songloom.checkpoints.reference_diffusion import read_published
from songloom.checkpoints.weights import (
    DOWNLOAD_AGAIN,
    SAFETENSORS,
    Weights,
    fill,
    open_weights,
    same_tensor,
)
from songloom.errors import ModelError
from songloom.models.bands import BandProcessor, ProcessorConfig
from songloom.models.codec import Codec
from songloom.models.diffusion import Band, MultiBandDiffusion
from songloom.models.diffusion_schedule import PowerSchedule
from songloom.models.diffusion_unet import UNet, UNetConfig
from songloom.progress import ProgressCallback

FOLDER = "diffusion"
"""Beside a model's `config.json`."""
_MOST_BANDS = 64
KIND = "multi_band_diffusion"
_MUSICGEN_CODEC: dict[str, Any] = {
    "sampling_rate": 32_000,
    "hidden_size": 128,
    "num_filters": 64,
    "upsampling_ratios": (8, 5, 4, 4),
    "codebook_size": 2048,
    "num_quantizers": 4,
}
"""Shape of the one codec that all published MusicGen models, and what is tuned from them, have."""


def find_diffusion(
    folder: Path, codec: Codec, on_event: ProgressCallback | None = None
) -> LazyDiffusion | None:
    """The diffusion weights that fit the codec of the model in `folder`; nothing is read yet.

    None where there are none in the folder and the codec isn't MusicGen's.
    """
    for own in (folder / FOLDER, folder / DIFFUSION_FILE):
        if own.exists():
            return LazyDiffusion(codec, functools.partial(Path, own), read_diffusion, own=True)
    config = codec.encodec.config
    if any(getattr(config, name) != value for name, value in _MUSICGEN_CODEC.items()):
        return None
    remedy = f"put {DIFFUSION_FILE} into {folder}; or leave multi_band_diffusion off"

    def fetch() -> Path:
        return download_file(
            DIFFUSION_REPO, DIFFUSION_FILE, DIFFUSION_REPO, NON_COMMERCIAL, on_event, remedy
        )

    return LazyDiffusion(codec, fetch, read_diffusion, own=False)


def read_diffusion(path: Path, device: torch.device) -> MultiBandDiffusion:
    """A decoder from a folder in songloom's layout, or from a published file.

    Raises:
        ModelError: a file is missing, broken, or of a kind that is not supported.
    """
    return read_folder(path, device) if path.is_dir() else read_published(path, device)


def read_folder(folder: Path, device: torch.device) -> MultiBandDiffusion:
    """A decoder from a folder in songloom's layout.

    Raises:
        ModelError: a file is missing, broken, or of another kind.
    """
    path = folder / "config.json"
    config = read_json(path)
    kind, sample_rate, sections = (
        config.get(name) for name in ("model_type", "sample_rate", "bands")
    )
    if kind != KIND:
        raise _unexpected_value(path, "model_type", kind, repr(KIND))
    if type(sample_rate) is not int or sample_rate < 1:
        raise _unexpected_value(path, "sample_rate", sample_rate, "a whole number of Hz")
    if not isinstance(sections, list) or not sections:
        raise _unexpected_value(path, "bands", sections, "a list of bands")
    if len(sections) > _MOST_BANDS or sample_rate > LARGEST_SIZE:
        raise _unexpected_value(path, "bands", len(sections), f"at most {_MOST_BANDS}")
    with convert_config_errors(path), torch.device("meta"):
        bands = [_empty_band(section, sample_rate, path) for section in sections]
        decoder = MultiBandDiffusion(bands, sample_rate)
    _fill(decoder, open_weights(folder), device)
    return decoder


def write_diffusion(decoder: MultiBandDiffusion, folder: Path) -> None:
    """Write a decoder into a new folder in songloom's layout: the inverse of `read_folder`."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    state = {n: t.detach().cpu().contiguous() for n, t in decoder.state_dict().items()}
    save_file(state, folder / SAFETENSORS, metadata={"format": "pt"})
    config = {
        "model_type": KIND,
        "sample_rate": decoder.sample_rate,
        "bands": [_section(band) for band in decoder.each_band()],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def _fill(decoder: MultiBandDiffusion, weights: Weights, device: torch.device) -> None:
    names = list(decoder.state_dict())
    fill(decoder, [same_tensor(name, name) for name in names], weights, device, torch.float32)
    weights.refuse_leftovers(names, ("",))


def _section(band: Band) -> dict[str, Any]:
    processor = band.processor
    return {
        "unet": dataclasses.asdict(band.unet.config),
        "schedule": dataclasses.asdict(band.schedule),
        "processor": None if processor is None else dataclasses.asdict(processor.config),
    }


def _empty_band(section: Any, sample_rate: int, path: Path) -> Band:
    if not isinstance(section, dict):
        raise _unexpected_value(path, "bands", section, "an object for each band")
    parts = {name: section.get(name, {}) for name in ("unet", "schedule", "processor")}
    for name, part in parts.items():
        if not isinstance(part, dict) and not (part is None and name == "processor"):
            raise _unexpected_value(path, f"bands: {name}", part, "an object")
    unet = UNet(parse_config(UNetConfig, parts["unet"], path))
    schedule = parse_config(PowerSchedule, parts["schedule"], path)
    if parts["processor"] is None:
        return Band(unet, schedule, None)
    config = parse_config(ProcessorConfig, parts["processor"], path)
    return Band(unet, schedule, BandProcessor(dataclasses.replace(config, sample_rate=sample_rate)))


def _unexpected_value(path: Path, name: str, value: Any, expected: str) -> ModelError:
    return ModelError(
        f"{path} has {name} = {value!r}, but {expected} was expected. {DOWNLOAD_AGAIN}"
    )
