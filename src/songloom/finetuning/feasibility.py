"""Whether a training can come to its end, as far as request, model and machine tell beforehand."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from songloom.checkpoints.components import Components
from songloom.errors import OutputError
from songloom.models.lm import LM
from songloom.models.lora import add_lora
from songloom.training.memory import free_memory
from songloom.training.plan import fit_to_memory, lora_config, resolve_precision, window_frames
from songloom.training_request import TrainingRequest

SMALLEST_RUN = 32 * 2**20
"""Bytes that every training writes at least: tokens, an adapter, clips and a report."""


def check_feasible(
    request: TrainingRequest, base: Components, device: torch.device, folder: Path
) -> None:
    """Refuse what would fail only once all songs are prepared, or at the very end.

    Args:
        request: what is asked for.
        base: the model to train, as it was loaded.
        device: where it is to be trained.
        folder: an existing one on the disk that state and result are written to.

    Raises:
        RequestError: the model has no such window, or the device no such precision.
        TrainingError: not even one window fits into memory.
        OutputError: there is too little room on the disk.
    """
    info = base.info
    frames = window_frames(request, info.window_seconds, info.frame_rate)
    dtype = resolve_precision(request, device)
    with torch.device("meta"):
        lm = LM(base.lm.config)
    parameters = sum(weight.numel() for weight in lm.parameters())
    if not request.full:
        add_lora(lm, lora_config(request))
    free = free_memory(device)
    if device.type != "cpu":  # where the model is not yet
        half = dtype == torch.bfloat16 and not request.full
        free = max(0, free - parameters * (2 if half else 4))
    fit_to_memory(request, lm, frames, dtype, free, device)
    _check_disk(folder, 2 * 4 * parameters if request.full else 0)


def _check_disk(folder: Path, weights: int) -> None:
    """Compare the room with what is written at the least: the state's weights and the result's."""
    needed = SMALLEST_RUN + weights
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder} has {free / 2**20:.0f} MiB free, but the training writes at least "
            f"{needed / 2**20:.0f} MiB; make room there, or set SONGLOOM_HOME to another disk"
        )
