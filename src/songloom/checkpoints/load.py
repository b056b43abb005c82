"""From a model's name to its networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from songloom.checkpoints import reference, transformers_layout
from songloom.checkpoints.adapter import Adapter, is_adapter, read_adapter
from songloom.checkpoints.catalogue import NON_COMMERCIAL, UNKNOWN_LICENCE, licence_of
from songloom.checkpoints.components import Components
from songloom.checkpoints.hub import find, resolve
from songloom.checkpoints.peft_config import read_peft_config
from songloom.checkpoints.weights import has_weights
from songloom.errors import ModelError
from songloom.models.lora import merge_state
from songloom.progress import ProgressCallback


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
        base: the model that an adapter is merged into, in place of the one that it names; or the
            model in the transformers layout that gives what a checkpoint of the reference library
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
    adapters: tuple[Path, ...] = (),
) -> Components:
    """Like `load_components`; a precision of None keeps the files'.

    `adapters` are the folders of those that the model is to be the base of.
    """
    name = str(name_or_path)
    path = resolve(name_or_path, on_event)
    if is_adapter(path):
        if path in adapters:
            raise ModelError(
                f"the adapter in {path} names itself as its base; name the model that it was "
                "trained on (base)"
            )
        base = base or _base_of(path)
        seen = (*adapters, path)
        try:
            components = read_components(base, device, dtype, module_dtype, on_event, adapters=seen)
        except ModelError as error:
            raise ModelError(f"{path} holds an adapter of {str(base)!r}: {error}") from error
        adapter = read_adapter(path, components.lm.config)
        merge_state(components.lm, adapter.tensors, adapter.config.scale)
        info = replace(components.info, name=name, base=str(base), adapter=path)
        return replace(components, info=info)
    if path.is_dir() and (path / "config.json").is_file() and has_weights(path):
        licence = licence_of(name, path)
        return transformers_layout.read_components(
            path, name, licence, device, dtype, module_dtype, on_event
        )
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
        "transformers layout), a folder with adapter_config.json (an adapter), a folder with "
        "state_dict.bin (the reference library's), or a trained_model.tar"
    )


def load_adapter(
    name_or_path: str | Path, components: Components, on_event: ProgressCallback | None = None
) -> Adapter:
    """Find an adapter and read it, for a model that is loaded already.

    Raises:
        ModelError: there is no such adapter, it cannot be read, or it was made for another model.
    """
    path = resolve(name_or_path, on_event)
    if not is_adapter(path):
        raise ModelError(
            f"{str(name_or_path)!r} is no adapter, but a whole model ({path}); load it by itself"
        )
    info = components.info
    base = read_peft_config(path).base
    # A base that can't be found here may have moved: then the shapes alone must tell.
    found = find(base) if base else None
    own = (info.adapter or info.path).resolve()
    if found is not None and found.resolve() not in (own, own.parent if own.is_file() else own):
        raise ModelError(
            f"{path} holds an adapter of {base!r} ({found}), but {info.name!r} is loaded from "
            f"{own}; load {base!r} for it"
        )
    return read_adapter(path, components.lm.config)


def _base_of(folder: Path) -> str:
    """The model that an adapter says it was trained on."""
    base = read_peft_config(folder).base
    if not base:
        raise ModelError(
            f"the adapter in {folder} does not say which model it was trained on; name that (base)"
        )
    return base
