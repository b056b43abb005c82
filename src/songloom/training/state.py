"""The saved state of a training: all that is needed to go on as if nothing had happened."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from songloom.errors import OutputError, TrainingError
from songloom.whole_files import replace_file

FILE = "state.pt"
BEST_FILE = "best.safetensors"
FORMAT = 1
START_ANEW = "train under another name, or start over with --restart"


@dataclass(frozen=True)
class Measured:
    """The loss at a step."""

    step: int
    per_codebook: tuple[float, ...]
    """Cross-entropy in nats of each codebook."""

    @property
    def loss(self) -> float:
        """The mean over the codebooks."""
        return sum(self.per_codebook) / len(self.per_codebook)


@dataclass(frozen=True)
class Update:
    """One update of the weights."""

    step: int
    """Updates done with it."""
    loss: float
    learning_rate: float


@dataclass(eq=False)
class TrainingState:
    """Where a training stands."""

    settings: dict[str, Any]
    """Settings of the training; it resumes only with the same."""
    step: int = 0
    """Updates done."""
    seconds: float = 0.0
    """Time spent training."""
    micro_batch: int = 0
    """Windows computed at once; lowered when memory runs out."""
    recompute: bool = False
    """Whether layers are computed again to save memory."""
    skipped: int = 0
    """Updates that were left out, their loss or gradients not being finite."""
    updates: list[Update] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    """The trained weights: an adapter's, or all of a model's."""
    average: dict[str, Tensor] = field(default_factory=dict)
    """Their moving average; empty where none is kept."""
    optimizer: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    """Of the gradients' scale in float16; empty in other precisions."""

    @property
    def best_measured(self) -> Measured | None:
        """The best measurement so far, that of the untrained model left out."""
        trained = (measured for measured in self.measured if measured.step > 0)
        return min(trained, key=lambda measured: measured.loss, default=None)


def save_state(state: TrainingState, folder: Path) -> None:
    """Write a state into `folder`, in place of an older one, or not at all.

    Raises:
        OutputError: it cannot be written; the older one is as it was.
    """
    content = {
        **vars(state),
        "format": FORMAT,
        "settings": json.dumps(state.settings),
        "updates": [(u.step, u.loss, u.learning_rate) for u in state.updates],
        "measured": [(m.step, list(m.per_codebook)) for m in state.measured],
    }
    with _open_durably(folder / FILE) as file:
        torch.save(content, file)


def save_best(weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write the best weights so far into `folder`, in place of older ones, or not at all.

    Raises:
        OutputError: they cannot be written; the older ones are as they were.
    """
    from safetensors.torch import save

    with _open_durably(folder / BEST_FILE) as file:
        file.write(save({name: tensor.contiguous() for name, tensor in weights.items()}))


def load_best(folder: Path) -> dict[str, Tensor] | None:
    """Read the best weights in `folder`; None where there are none.

    Raises:
        TrainingError: the file is broken.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / BEST_FILE
    if not path.is_file():
        return None
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise TrainingError(
            f"{path}, the best weights of the training, is not a whole file ({error}); {START_ANEW}"
        ) from error


@contextmanager
def _open_durably(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name once it is complete and on the disk, or not at all."""
    try:
        with replace_file(path) as temporary, temporary.open("wb") as file:
            yield file
    except (OutputError, RuntimeError) as error:  # PyTorch's writer wraps what the disk says
        raise OutputError(
            f"the training cannot be saved: {error}; then run the same command to resume from the "
            "last saved state"
        ) from error


def load_state(folder: Path) -> TrainingState | None:
    """Read the state in `folder`; None where there is none. No pickled code is run.

    Raises:
        TrainingError: the file is broken or of another version.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or content.pop("format") != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        updates = [Update(*row) for row in content.pop("updates")]
        measured = [Measured(step, tuple(losses)) for step, losses in content.pop("measured")]
        settings = json.loads(content.pop("settings"))
        return TrainingState(settings, updates=updates, measured=measured, **content)
    except (
        OSError, RuntimeError, ValueError, TypeError, KeyError, EOFError,
        pickle.UnpicklingError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(
            f"{path} is not a whole saved state of a training ({reason}); {START_ANEW}"
        ) from error


def check_settings(state: TrainingState, settings: dict[str, Any]) -> None:
    """Refuse to go on with other settings than those that a state was saved with.

    Raises:
        TrainingError: they differ; it names them.
    """
    names = sorted(state.settings.keys() | settings.keys())
    different = [
        name
        for name in names
        if _decisive_part(name, state.settings.get(name), settings.get(name))
        != _decisive_part(name, settings.get(name), state.settings.get(name))
    ]
    if different:
        changes = "; ".join(
            f"{name} was {_describe(state.settings.get(name))} "
            f"and is now {_describe(settings.get(name))}"
            for name in different
        )
        raise TrainingError(
            f"the saved training (update {state.step}) has other settings: {changes}; use the "
            f"same ones to resume it, {START_ANEW}"
        )


def _decisive_part(name: str, value: Any, other: Any) -> Any:
    """The part of a setting that must be the same as that of `other`.

    A base is known by its weights, whatever it is called. States of earlier versions say
    "name outline" instead.
    """
    if name != "base":
        return value
    by = "weights" if isinstance(value, dict) and isinstance(other, dict) else "outline"
    return value.get(by) if isinstance(value, dict) else str(value).rpartition(" ")[2]


def _describe(value: Any) -> str:
    if not isinstance(value, dict) or "name" not in value:
        return repr(value)
    weights = str(value.get("weights"))[:12]
    return f"{value['name']!r} with the weights {weights}"
