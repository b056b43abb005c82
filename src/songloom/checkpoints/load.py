"""From a model's name to its networks."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from songloom.checkpoints import reference, transformers_layout
from songloom.checkpoints.catalogue import NON_COMMERCIAL, known_model
from songloom.checkpoints.components import Components
from songloom.checkpoints.hub import resolve
from songloom.checkpoints.weights import has_weights
from songloom.errors import ModelError
from songloom.progress import ProgressCallback

UNKNOWN_LICENCE = "not stated; ask the maker of the weights"


def load_components(
    name_or_path: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
    base: str | Path | None = None,
    on_event: ProgressCallback | None = None,
) -> Components:
    """Find a model, download it if need be, and read it.

    Args:
        name_or_path: see `hub.resolve`.
        device: where the networks go.
        dtype: precision of the language model; None keeps the file's. Codec and text encoder,
            which are small and sensitive, stay in float32.
        base: model in the transformers layout that gives what a checkpoint of the reference library
            or a `trained_model.tar` may lack: codec and text encoder. Without it they come from the
            checkpoint's folder or else from the hub.
        on_event: told of a download's progress.

    Raises:
        ModelError: the model is unknown, can't be fetched, or its files are broken.
    """
    return read_components(name_or_path, torch.device(device), dtype, torch.float32, on_event, base)


def read_components(
    name_or_path: str | Path,
    device: torch.device,
    dtype: torch.dtype | None,
    module_dtype: torch.dtype | None,
    on_event: ProgressCallback | None = None,
    base: str | Path | None = None,
) -> Components:
    """Like `load_components`; a precision of None keeps the files'."""
    name = str(name_or_path)
    path = resolve(name_or_path, on_event)
    if path.is_dir() and (path / "config.json").is_file() and has_weights(path):
        licence = licence_of(name, path)
        return transformers_layout.read_components(path, name, licence, device, dtype, module_dtype)
    checkpoint = reference.checkpoint_file(path)
    if checkpoint is not None:
        licence = licence_of(name, checkpoint.parent)
        if checkpoint.name == reference.FINE_TUNED and licence == UNKNOWN_LICENCE:
            licence = NON_COMMERCIAL  # whoever fine-tunes MusicGen stays bound by its licence
        base_folder = None if base is None else resolve(base, on_event)
        return reference.read_components(
            checkpoint, name, licence, device, dtype, module_dtype, base_folder, on_event
        )
    raise ModelError(
        f"{path} holds no model: expected a folder with config.json and model.safetensors (the "
        "transformers layout), a folder with state_dict.bin (the reference library's), or a "
        "trained_model.tar"
    )


def licence_of(name: str, folder: Path) -> str:
    """The licence of a model: a known one's, or what the head of its README.md says."""
    known = known_model(name)
    if known is not None:
        return known.licence
    readme = folder / "README.md"
    if readme.is_file():
        head = readme.read_text("utf-8", errors="replace")[:4000]
        match = re.match(r"---\n(?:.*\n)*?license:[ \t]*(\S.*)\n(?:.*\n)*?---", head)
        if match:
            return match[1].strip("\"' ")
    return UNKNOWN_LICENCE
