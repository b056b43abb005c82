"""The saved state of a decoder's tuning, from which it goes on."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from songloom.errors import OutputError
from songloom.whole_files import replace_file

DECODER_STATE = "decoder.pt"
FORMAT = 1


@dataclass(eq=False)
class DecoderState:
    """Where the tuning of a decoder stands."""

    identity: str
    """Of the codec, the songs and the seed: it goes on only with the same."""
    step: int = 0
    """Steps made."""
    finished: bool = False
    watched: float = 0.0
    """Log-mel distance of other sounds, by the old decoder."""
    losses: list[float] = field(default_factory=list)
    """On held-out music; the first is the old decoder's, those too bad on other sounds infinite."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    """The best weights so far; none while that is the old decoder."""
    optimizer: dict[str, Any] = field(default_factory=dict)


def save_decoder_state(state: DecoderState, folder: Path) -> None:
    """Write a state into `folder`, in place of an older one, or not at all.

    Raises:
        OutputError: it cannot be written; the older one is as it was.
    """
    try:
        with replace_file(folder / DECODER_STATE) as temporary, temporary.open("wb") as file:
            torch.save({**vars(state), "format": FORMAT}, file)
    except RuntimeError as error:  # PyTorch's writer wraps what the disk says
        raise OutputError(f"{folder / DECODER_STATE} cannot be written: {error}") from error


def load_decoder_state(folder: Path, identity: str) -> DecoderState | None:
    """Read the state in `folder`; None where there is none of that identity, or it is broken.

    It is minutes of work: that is made again sooner than anyone has read what is wrong with it.
    """
    try:
        content = torch.load(folder / DECODER_STATE, map_location="cpu", weights_only=True)
        if content.pop("format") != FORMAT or content["identity"] != identity:
            return None
        return DecoderState(**content)
    except (
        OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, EOFError,
        pickle.UnpicklingError, zipfile.BadZipFile,
    ):  # fmt: skip
        return None
