"""Estimates what a training would take: `python -m songloom.jobs.workers.estimation`.

One JSON object a line: in come a model's name, the fields of a training request and a device; out
go sizes, memory, and how fast this machine makes updates of such a model, tried once on a part of
it and then remembered in a file.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from songloom.audio.files import Audio
from songloom.checkpoints import transformers_layout, transformers_lm
from songloom.checkpoints.configs import read_json
from songloom.checkpoints.hub import find
from songloom.checkpoints.load import load_components
from songloom.checkpoints.model_codec import read_model_codec
from songloom.checkpoints.peft_config import is_adapter, read_peft_config
from songloom.dataset.analysis.song import analyse
from songloom.errors import ModelError, SongloomError, TrainingError
from songloom.generation.precision import resolve_device
from songloom.jobs.workers.stdio import Stdio
from songloom.models.lm import LM, LMConfig
from songloom.models.lora import add_lora
from songloom.progress import ProgressEvent, TrainingProgress
from songloom.training.batches import TrainingSong
from songloom.training.loop import Trainer
from songloom.training.memory import free_memory
from songloom.training.plan import (
    fit_to_memory,
    lora_config,
    make_plan,
    make_trainable,
    resolve_precision,
    window_frames,
)
from songloom.training_request import TrainingRequest
from songloom.whole_files import write_text

WHOLE_BELOW = 60_000_000
"""Weights of a model that is tried whole; of a larger one a few layers are, and the rest added."""
LAYERS_TRIED = (1, 3)
MOST_FRAMES = 256
"""Of a window in the trial: on a CPU, longer ones take as long for each frame."""
TRIED_UPDATES = 6
"""The fastest counts: the others waited for what else the machine was doing."""
CODED_SECONDS = 6.0
"""Of noise that are coded and listened to in the trial."""
PROCESS_BYTES = 600_000_000
"""Memory of a process with PyTorch before it has a model."""
_PLENTY = 2**50


@dataclass(frozen=True)
class Shape:
    """A model's configuration, without its weights."""

    config: LMConfig
    path: Path
    window_seconds: float
    frame_rate: float


@dataclass(frozen=True)
class Speeds:
    """How fast this machine works."""

    frame_seconds: float
    """Of an update, for each frame of its windows."""
    coding_seconds: float
    """Of preparing, for each second of music, on one core."""


def estimate(question: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a question about a training.

    Raises:
        SongloomError: the model is not here, or the request is invalid.
    """
    request = TrainingRequest.from_mapping({"dataset_path": "songs", **question["request"]})
    shape = read_shape(question["model"])
    device = resolve_device(question["device"])
    frames = window_frames(request, shape.window_seconds, shape.frame_rate)
    dtype = resolve_precision(request, device)
    with torch.device("meta"):
        lm = LM(shape.config)
    parameters = sum(weight.numel() for weight in lm.parameters())
    if not request.full:
        add_lora(lm, lora_config(request))
    before = parameters * (2 if dtype == torch.bfloat16 and not request.full else 4)
    if device.type == "cpu":
        before += PROCESS_BYTES
    free = free_memory(device)
    left = max(0, free - before)
    fits = True
    try:
        memory, windows, recompute = fit_to_memory(request, lm, frames, dtype, left, device)
    except TrainingError:  # what it would need, had it enough
        fits = False
        memory, *_ = fit_to_memory(request, lm, frames, dtype, _PLENTY, device)
        windows, recompute = 1, True
    answer: dict[str, Any] = {
        "parameters": parameters,
        "frames": frames,
        "frame_rate": shape.frame_rate,
        "window_seconds": shape.window_seconds,
        "memory_bytes": before + memory.total(windows, recompute),
        "free_bytes": free,
        "fits": fits,
        "cores": os.cpu_count() or 1,
    }
    if question.get("speeds"):
        answer |= vars(_load_speeds(shape, request, device, Path(question["speeds"])))
    return answer


def read_shape(name: str) -> Shape:
    """Read a model's shape, from its configuration alone where that is enough.

    Raises:
        ModelError: it is not on this machine, or its files are broken.
    """
    path = _find_local(name)
    if is_adapter(path):  # which is merged into its base before it is trained on
        path = _find_local(read_peft_config(path).base or name)
    if path.is_dir() and (path / "config.json").is_file():
        config = transformers_lm.read_config(read_json(path / "config.json"), path / "config.json")
        rate = read_model_codec(path, torch.device("cpu")).codec.frame_rate
        return Shape(config, path, transformers_layout.window_seconds(path, rate), rate)
    components = load_components(path)
    info = components.info
    return Shape(components.lm.config, path, info.window_seconds, info.frame_rate)


def _find_local(name: str) -> Path:
    path = find(name)
    if path is None:
        raise ModelError(
            f"the model {name!r} is not on this machine yet; download it first, under Settings on "
            "the page"
        )
    return path


def _load_speeds(
    shape: Shape, request: TrainingRequest, device: torch.device, file: Path
) -> Speeds:
    """The speeds of such a model, tried now unless they were before."""
    layers = replace(shape.config, delays=()), request.full, request.lora_targets, str(device)
    key = repr((*layers, torch.__version__))
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text(encoding="utf-8"))
    if key not in known:
        known[key] = vars(measure(shape, request, device))
        write_text(file, json.dumps(known, indent=1))
    return Speeds(**known[key])


def measure(shape: Shape, request: TrainingRequest, device: torch.device) -> Speeds:
    """Make a few updates of such a model, with other weights, and code a little noise."""
    config = shape.config
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in LM(config).parameters())
    if parameters <= WHOLE_BELOW:
        frame_seconds = _time_update(shape, config.num_layers, request, device)
    else:
        few, more = LAYERS_TRIED
        low, high = (_time_update(shape, layers, request, device) for layers in LAYERS_TRIED)
        each = max(0.0, high - low) / (more - few)
        frame_seconds = low + each * (config.num_layers - few)
    return Speeds(frame_seconds, _coding_seconds(shape, device))


def _time_update(
    shape: Shape, layers: int, request: TrainingRequest, device: torch.device
) -> float:
    """Seconds that an update takes for each frame, of a model of so many layers."""
    torch.manual_seed(0)
    lm = LM(replace(shape.config, num_layers=layers))
    seconds = min(MOST_FRAMES / shape.frame_rate, request.window_seconds or shape.window_seconds)
    small = replace(
        request, epochs=1, updates_per_epoch=TRIED_UPDATES, batch_size=min(2, request.batch_size),
        window_seconds=seconds, save_minutes=1e9, preview_every=None, max_minutes=None,
    )  # fmt: skip
    dtype = make_trainable(lm, small, device)
    plan = make_plan(small, lm, shape.window_seconds, shape.frame_rate, dtype)
    config = lm.config
    codes = torch.randint(0, config.codebook_size, (config.num_codebooks, 4 * plan.frames))
    text = torch.zeros(1, 16, config.text_size)
    taken: list[float] = []

    def note(event: ProgressEvent) -> None:
        if isinstance(event, TrainingProgress):
            taken.append(1 / event.frames_per_second)

    with tempfile.TemporaryDirectory() as folder:
        song = TrainingSong("noise", codes, description="noise")
        trainer = Trainer(lm, plan, [song], [], lambda _: text, 640, Path(folder), {})
        trainer.run(note)
    return min(taken)


def _coding_seconds(shape: Shape, device: torch.device) -> float:
    codec = read_model_codec(shape.path, device).codec
    codec.fold_weight_norm()
    noise = torch.randn(codec.channels, round(CODED_SECONDS * codec.sample_rate)) * 0.1
    with torch.inference_mode():
        codec.encode(noise[:, : codec.sample_rate])
        began = time.monotonic()
        codec.encode(noise)
    analyse(Audio(noise, codec.sample_rate))
    return (time.monotonic() - began) / CODED_SECONDS


def main() -> None:
    """Answer the server at the other end of standard input and output."""
    Stdio().answer(_answer, "the server made a mistake; its log has the details")


def _answer(question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return estimate(question)
    except SongloomError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    main()
