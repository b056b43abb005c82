"""Diffusion weights in the layout in which the reference library publishes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from songloom.models.bands import low_passes
from songloom.models.diffusion import Band, MultiBandDiffusion

SEEN = 50.0
"""Pieces of music that the processors have seen."""


def published_content(decoder: MultiBandDiffusion) -> dict[Any, Any]:
    """What the file holds, for `torch.save`."""
    bands = dict(enumerate(_band(band, decoder.sample_rate) for band in decoder.each_band()))
    return {"sample_rate": decoder.sample_rate, "n_bands": len(bands), **bands}


def write_published(decoder: MultiBandDiffusion, path: Path) -> Path:
    torch.save(published_content(decoder), path)
    return path


def _band(band: Band, sample_rate: int) -> dict[str, Any]:
    schedule, shape, processor = band.schedule, band.unet.config, band.processor
    cfg: dict[str, Any] = {
        "channels": 1,
        "schedule": {
            "repartition": "power",
            "variance": "beta",
            "beta_t0": schedule.beta_t0,
            "beta_t1": schedule.beta_t1,
            "beta_exp": schedule.beta_exp,
            "num_steps": schedule.num_steps,
            "clip": schedule.clip,
            "rescale": 1.0,
            "n_bands": None,
            "noise_scale": schedule.noise_scale,
        },
        "diffusion_unet": {
            "hidden": shape.hidden,
            "depth": shape.depth,
            "res_blocks": shape.res_blocks,
            "norm_groups": shape.norm_groups,
            "kernel": shape.kernel,
            "stride": shape.stride,
            "growth": shape.growth,
            "max_channels": shape.max_channels,
            "dropout": 0.0,
            "emb_all_layers": True,
            "bilstm": False,
            "codec_dim": shape.condition_size,
            "transformer": False,
            "cross_attention": False,
        },
        "processor": {
            "use": processor is not None,
            "name": "multi_band_processor",
            "n_bands": 8,
            "num_samples": 10_000,
            "power_std": 1.0,
        },
    }
    state: dict[str, torch.Tensor] = {}
    if processor is not None:
        cfg["processor"] |= {"n_bands": processor.config.bands, "power_std": processor.config.power}
        square = processor.deviation.square() + processor.mean.square()
        state = {
            "counts": torch.tensor([SEEN]),
            "sum_x": SEEN * processor.mean,
            "sum_x2": SEEN * square,
            "sum_target_x2": SEEN * processor.noise_deviation,
            "split_bands.lowpass.filters": low_passes(sample_rate, processor.config.bands)[:, None],
        }
    return {"cfg": cfg, "model_state": band.unet.state_dict(), "processor_state": state}
