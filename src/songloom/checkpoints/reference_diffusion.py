"""The published weights of multi-band diffusion: one file that `torch.save` wrote, with four bands.

Each band has the weights of its network, the sums from which its processor knows the strengths of
music's bands, and its configuration, an object of OmegaConf's, which is read without running it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from songloom.checkpoints.config_tree import ConfigTree
from songloom.checkpoints.configs import convert_config_errors
from songloom.checkpoints.inert_pickle import Archive, ArchiveTensors
from songloom.checkpoints.weights import DOWNLOAD_AGAIN, Weights, fill, same_tensor
from songloom.errors import ModelError
from songloom.models.bands import BandProcessor, ProcessorConfig, low_passes
from songloom.models.diffusion import Band, MultiBandDiffusion
from songloom.models.diffusion_schedule import PowerSchedule
from songloom.models.diffusion_unet import UNet, UNetConfig

_VALUES: dict[str, Any] = {
    "channels": 1,
    "schedule.repartition": "power",
    "schedule.n_bands": None,
    "diffusion_unet.emb_all_layers": True,
    "diffusion_unet.bilstm": False,
    "diffusion_unet.transformer": False,
    "diffusion_unet.cross_attention": False,
    "processor.name": "multi_band_processor",
}
_SUMS = ("counts", "sum_x", "sum_x2", "sum_target_x2")
_FILTERS = "split_bands.lowpass.filters"
_MOST_BANDS = 64


def read_published(path: Path, device: torch.device) -> MultiBandDiffusion:
    """The decoder in a file such as `mbd_musicgen_32khz.th`.

    Raises:
        ModelError: the file is broken or holds something else, or a value is one that songloom has
            no code for.
    """
    archive = Archive(path)
    head = ConfigTree(archive.content, path)
    sample_rate, count = head.integer("sample_rate"), head.integer("n_bands")
    if count > _MOST_BANDS:
        raise ModelError(
            f"{path} has n_bands = {count}, but at most {_MOST_BANDS} were expected. "
            f"{DOWNLOAD_AGAIN}"
        )
    bands = [_read_band(archive, i, sample_rate, device) for i in range(count)]
    return MultiBandDiffusion(bands, sample_rate)


def _read_band(archive: Archive, index: int, sample_rate: int, device: torch.device) -> Band:
    path, content = archive.path, archive.content.get(index)
    parts = ("cfg", "model_state", "processor_state")
    if not isinstance(content, dict) or not all(isinstance(content.get(p), dict) for p in parts):
        raise ModelError(
            f"{path} lacks a part of band {index}: expected {', '.join(parts)}. {DOWNLOAD_AGAIN}"
        )
    cfg = ConfigTree(content["cfg"], path)
    cfg.require(_VALUES)
    schedule = PowerSchedule(
        beta_t0=cfg.number("schedule.beta_t0"),
        beta_t1=cfg.number("schedule.beta_t1"),
        beta_exp=cfg.number("schedule.beta_exp"),
        num_steps=cfg.integer("schedule.num_steps"),
        clip=cfg.number("schedule.clip"),
        noise_scale=cfg.number("schedule.noise_scale"),
    )
    with convert_config_errors(path), torch.device("meta"):
        unet = UNet(_unet_config(cfg, schedule.num_steps))
    weights = Weights(path, ArchiveTensors(archive, content["model_state"]))
    names = list(unet.state_dict())
    fill(unet, [same_tensor(name, name) for name in names], weights, device, torch.float32)
    weights.refuse_leftovers(names, ("",))
    state = Weights(path, ArchiveTensors(archive, content["processor_state"]))
    processor = _read_processor(cfg, state, sample_rate)
    return Band(unet, schedule, None if processor is None else processor.to(device))


def _unet_config(cfg: ConfigTree, num_steps: int) -> UNetConfig:
    return UNetConfig(
        hidden=cfg.integer("diffusion_unet.hidden"),
        depth=cfg.integer("diffusion_unet.depth"),
        growth=cfg.number("diffusion_unet.growth"),
        max_channels=cfg.integer("diffusion_unet.max_channels"),
        kernel=cfg.integer("diffusion_unet.kernel"),
        stride=cfg.integer("diffusion_unet.stride"),
        res_blocks=cfg.integer("diffusion_unet.res_blocks"),
        norm_groups=cfg.integer("diffusion_unet.norm_groups"),
        condition_size=cfg.integer("diffusion_unet.codec_dim"),
        num_steps=num_steps,
    )


def _read_processor(cfg: ConfigTree, state: Weights, sample_rate: int) -> BandProcessor | None:
    if cfg.find("processor.use") is not True:
        return None
    bands = cfg.integer("processor.n_bands")
    config = ProcessorConfig(sample_rate, bands, cfg.number("processor.power_std"))
    counts, sums, squares, noise = (
        state.take(name, (1,) if name == "counts" else (bands,)).double() for name in _SUMS
    )
    _check_filters(state, low_passes(sample_rate, bands))
    if not float(counts) > 0:
        raise ModelError(
            f"{cfg.source}: a processor has counts = {float(counts)}, but it must have seen music. "
            f"{DOWNLOAD_AGAIN}"
        )
    processor = BandProcessor(config)
    mean = sums / counts
    processor.mean.copy_(mean)
    processor.deviation.copy_((squares / counts - mean.square()).clamp(min=0).sqrt())
    # It is the mean of squares: the reference takes no root of it, so what was trained expects it.
    processor.noise_deviation.copy_(noise / counts)
    return processor


def _check_filters(state: Weights, ours: Tensor) -> None:
    """Raise ModelError unless the file's bands are split as ours are."""
    theirs = state.take(_FILTERS, (len(ours), 1, ours.shape[-1]))[:, 0]
    if not torch.allclose(theirs.float(), ours, atol=1e-4):
        raise ModelError(
            f"{state.source}: the weight {_FILTERS!r} splits bands at other frequencies than the "
            f"mel scale's. {DOWNLOAD_AGAIN}"
        )
