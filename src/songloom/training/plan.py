"""The plan of a training: a request for one model on one device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from songloom.checkpoints.transformers_lm import has_no_text_projection
from songloom.errors import RequestError, TrainingError
from songloom.models.delay import sequence_length
from songloom.models.lm import LM
from songloom.models.lora import LoraConfig, Target, add_lora
from songloom.training.memory import SHARE, Memory, estimate, free_memory
from songloom.training.optimizers import default_learning_rate
from songloom.training_request import TrainingRequest

_TARGETS: dict[str, tuple[Target, ...]] = {
    "attention": ("attention", "cross"),
    "layers": ("attention", "cross", "ffn"),
    "all": ("attention", "cross", "ffn", "conditions", "heads"),
}
_TEXT_STEPS = 64
"""Steps of text that the estimate of memory allows for."""
MOST_STEPS_AT_ONCE = 2048
"""Steps of all windows computed at once on a CPU: more are no faster, and take more memory."""


@dataclass(frozen=True)
class Plan:
    """How the updates are computed."""

    request: TrainingRequest
    frames: int
    """Length of a window."""
    learning_rate: float
    dtype: torch.dtype
    """Precision of the arithmetic; float32 where there is no autocast."""
    micro_batch: int
    """Windows computed at once."""
    recompute: bool
    """Whether layers are computed again to save memory."""
    memory: Memory
    free_bytes: int
    """Memory that was free when the plan was made."""


def lora_config(request: TrainingRequest) -> LoraConfig:
    """The shape of the adapter that a request asks for."""
    alpha = 2.0 * request.lora_rank if request.lora_alpha is None else request.lora_alpha
    return LoraConfig(
        request.lora_rank, alpha, _TARGETS[request.lora_targets], request.lora_dropout
    )


def make_trainable(lm: LM, request: TrainingRequest, device: torch.device) -> torch.dtype:
    """Put a model where it is trained, in place; give it an adapter, or free all its weights.

    Returns:
        The precision of the arithmetic.

    Raises:
        RequestError: the device cannot compute in the precision asked for.
    """
    dtype = resolve_precision(request, device)
    if request.full:
        lm.to(device, torch.float32).requires_grad_(True)
        if has_no_text_projection(lm.config):
            lm.text_projection.requires_grad_(False)  # files have no place for another
    else:
        # What is not trained can be stored as it is computed with.
        lm.to(device, dtype if dtype == torch.bfloat16 else torch.float32)
        add_lora(lm, lora_config(request), torch.Generator().manual_seed(request.seed))
    lm.train()
    return dtype


def make_plan(
    request: TrainingRequest, lm: LM, window_seconds: float, frame_rate: float, dtype: torch.dtype
) -> Plan:
    """Decide on windows, learning rate, and how much is computed at once.

    Args:
        request: what is asked for.
        lm: the model, made trainable.
        window_seconds: the longest stretch that it sees.
        frame_rate: token frames a second.
        dtype: see `make_trainable`.

    Raises:
        RequestError: the window is longer than the model's, or shorter than a frame.
        TrainingError: not even one window fits into memory.
    """
    frames = window_frames(request, window_seconds, frame_rate)
    free = free_memory(lm.device)
    memory, micro_batch, recompute = fit_to_memory(request, lm, frames, dtype, free, lm.device)
    learning_rate = request.lr
    if learning_rate is None:
        learning_rate = default_learning_rate(request.optimizer, request.full)
    return Plan(request, frames, learning_rate, dtype, micro_batch, recompute, memory, free)


def window_frames(request: TrainingRequest, window_seconds: float, frame_rate: float) -> int:
    """Frames of a window.

    Args:
        request: what is asked for.
        window_seconds: the longest stretch that the model sees.
        frame_rate: token frames a second.

    Raises:
        RequestError: the window is longer than the model's, or shorter than a frame.
    """
    seconds = window_seconds if request.window_seconds is None else request.window_seconds
    if seconds > window_seconds:
        raise RequestError(
            f"window_seconds is {seconds:g}, but the model sees at most {window_seconds:g} s; "
            "lower it, or leave it out"
        )
    frames = int(seconds * frame_rate + 1e-6)
    if frames < 1:
        raise RequestError(
            f"window_seconds is {seconds:g}, less than a frame of {1 / frame_rate:g} s; raise it"
        )
    return frames


def fit_to_memory(
    request: TrainingRequest,
    lm: LM,
    frames: int,
    dtype: torch.dtype,
    free: int,
    device: torch.device,
) -> tuple[Memory, int, bool]:
    """The memory needed, the windows that fit at once, and whether layers are computed again.

    Args:
        request: what is asked for.
        lm: the model, which may be but a shape (on the device "meta").
        frames: of a window.
        dtype: precision of the arithmetic.
        free: bytes beside the model.
        device: where it is to be trained.

    Raises:
        TrainingError: not even one window fits.
    """
    steps = _steps(lm, frames)
    memory = estimate(lm, steps, request.optimizer, request.ema_decay > 0, dtype.itemsize)
    return memory, *_choose_micro_batch(request, memory, free, steps, device)


def _steps(lm: LM, frames: int) -> int:
    """Steps of a window, its prefix included."""
    config = lm.config
    steps = sequence_length(frames, config.delays)
    return steps if config.cross_attention else steps + config.chroma_frames + _TEXT_STEPS


def resolve_precision(request: TrainingRequest, device: torch.device) -> torch.dtype:
    """The precision that a request means on a device.

    Raises:
        RequestError: there is none such there.
    """
    match request.precision:
        case "float32":
            return torch.float32
        case "bfloat16":
            return torch.bfloat16
        case "float16":
            if device.type != "cuda":
                raise RequestError(
                    f"precision is 'float16', which trains on CUDA devices only, but the device "
                    f"is {device}; use float32 or auto"
                )
            return torch.float16
        case "auto":
            fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.bfloat16 if fast else torch.float32


def _choose_micro_batch(
    request: TrainingRequest, memory: Memory, free: int, steps: int, device: torch.device
) -> tuple[int, bool]:
    """How many windows are computed at once, and whether layers are computed again."""
    recompute = request.gradient_checkpointing == "on"
    if request.micro_batch is not None:
        return min(request.micro_batch, request.batch_size), recompute
    room = int(free * SHARE)
    if not recompute and request.gradient_checkpointing == "auto":
        recompute = memory.total(1, recompute=False) > room
    needed = memory.total(1, recompute)
    if needed > room:
        raise TrainingError(
            f"training would take about {needed / 2**30:.1f} GiB beyond the model, but only "
            f"{free / 2**30:.1f} GiB are free on {device}; shorten window_seconds, choose "
            "optimizer adafactor, an adapter instead of full, or a smaller model"
        )
    each = memory.per_window_recomputed if recompute else memory.per_window
    most = (room - memory.fixed) // max(1, each)
    if device.type == "cpu":
        most = min(most, max(1, MOST_STEPS_AT_ONCE // steps))
    windows = max(1, min(most, request.batch_size))
    # Equal parts: 16 windows in three parts of six would leave the last one half empty.
    return math.ceil(request.batch_size / math.ceil(request.batch_size / windows)), recompute
