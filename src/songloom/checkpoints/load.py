"""From a model's name to its networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from songloom.checkpoints import reference, transformers_layout
from songloom.checkpoints.adapter import Adapter, join_adapters, read_adapter
from songloom.checkpoints.bases import check_base, read_base_fingerprint
from songloom.checkpoints.catalogue import NON_COMMERCIAL, UNKNOWN_LICENSE, license_of
from songloom.checkpoints.codec_decoder import read_codec_decoder
from songloom.checkpoints.components import Components
from songloom.checkpoints.home import CODEC_DECODER
from songloom.checkpoints.hub import find, resolve
from songloom.checkpoints.model_codec import model_path, read_model_codec
from songloom.checkpoints.peft_config import is_adapter, name_base, read_peft_config
from songloom.checkpoints.sources import find_source
from songloom.checkpoints.weights import has_weights
from songloom.errors import BaseChangedError, ModelError
from songloom.models.codec import Codec
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
) -> Components:
    """Like `load_components`; a precision of None keeps the files'."""
    name = str(name_or_path)
    path = resolve(name_or_path, on_event)
    if is_adapter(path):
        return _read_adapted(path, name, device, dtype, module_dtype, on_event, base)
    # Before anything is read: what changes while it is has another identity afterwards.
    source = find_source(name_or_path, base, on_event)
    components = _read_whole(path, name, device, dtype, module_dtype, on_event, base)
    return replace(components, source=source)


def _read_adapted(
    path: Path,
    name: str,
    device: torch.device,
    dtype: torch.dtype | None,
    module_dtype: torch.dtype | None,
    on_event: ProgressCallback | None,
    base: str | Path | None,
) -> Components:
    """An adapter, merged into its base."""
    chosen, base = base is not None, base or name_base(path)
    try:
        source = find_source(path, base, on_event)
        adapters = [part for part in source.paths if is_adapter(part)]
        names, rest = [str(base), *map(name_base, adapters[1:])], source
        for i, part in enumerate(adapters):
            rest = rest.base
            own = chosen and i == 0  # what was chosen is the base of the outermost
            check_base(part, names[i], rest, chosen=own, on_event=on_event)
        whole = base if len(adapters) == 1 else names[-1]
        components = read_components(whole, device, dtype, module_dtype, on_event)
    except BaseChangedError:
        raise
    except ModelError as error:
        raise ModelError(f"{path} holds an adapter of {str(base)!r}: {error}") from error
    # All at once: each merging rounds the weights to their precision.
    lm = components.lm.config
    adapter = join_adapters([read_adapter(part, lm) for part in adapters])
    merge_state(components.lm, adapter.tensors, adapter.config.scale)
    codec = components.codec
    tuned = (read_codec_decoder(part, codec) for part in adapters)
    decoder = next((each for each in tuned if each is not None), None)  # the outermost wins
    if decoder is not None:
        codec = codec.with_decoder(decoder)
    info = replace(components.info, name=name, base=str(base), adapter=path)
    return replace(components, codec=codec, info=info, source=source)


def _read_whole(
    path: Path,
    name: str,
    device: torch.device,
    dtype: torch.dtype | None,
    module_dtype: torch.dtype | None,
    on_event: ProgressCallback | None,
    base: str | Path | None,
) -> Components:
    """A model that is no adapter; `base` lends what it may lack."""
    if path.is_dir() and (path / "config.json").is_file() and has_weights(path):
        licence = license_of(name, path)
        return transformers_layout.read_components(
            path, name, licence, device, dtype, module_dtype, on_event
        )
    checkpoint = reference.checkpoint_file(path)
    if checkpoint is not None:
        licence = license_of(name, checkpoint.parent)
        if checkpoint.name == reference.FINE_TUNED and licence == UNKNOWN_LICENSE:
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


def load_tuned_codec(adapter: Path, components: Components) -> Codec | None:
    """The codec with the decoder that was tuned with an adapter; None where none was.

    Args:
        adapter: its folder.
        components: the model that it is used with, which may be prepared for inference.

    Raises:
        ModelError: the decoder's file is broken, or was made for another codec.
    """
    if not (adapter / CODEC_DECODER).is_file():
        return None
    # The model's own has its weight norm folded, which hides what it was made of.
    path = model_path(components.info.path)
    base = read_model_codec(path, components.codec.device).codec
    decoder = read_codec_decoder(adapter, base)
    if decoder is None:
        return None
    codec = components.codec.with_decoder(decoder)
    codec.fold_weight_norm()
    return codec


def load_adapter(
    name_or_path: str | Path,
    components: Components,
    on_event: ProgressCallback | None = None,
    *,
    any_base: bool = False,
) -> Adapter:
    """Find an adapter and read it, for a model that is loaded already.

    Args:
        name_or_path: see `hub.resolve`.
        components: the model.
        on_event: told of a download's progress, and of notices.
        any_base: take it although the model is not the one that it was trained on.

    Raises:
        BaseChangedError: the model has other weights than the one that it was trained on.
        ModelError: there is no such adapter, it cannot be read, or it was made for another model.
    """
    path = resolve(name_or_path, on_event)
    if not is_adapter(path):
        raise ModelError(
            f"{str(name_or_path)!r} is a whole model ({path}), not an adapter; load it by itself"
        )
    info, base = components.info, read_peft_config(path).base
    if components.source is not None and read_base_fingerprint(path):
        name = base if find(base) == components.source.paths[0] else info.name
        check_base(path, name, components.source, chosen=any_base, on_event=on_event)
        return read_adapter(path, components.lm.config)
    # A base that can't be found here may have moved: then the shapes alone must tell.
    found = find(base) if base and not any_base else None
    own = (info.adapter or info.path).resolve()
    if found is not None and found.resolve() not in (own, own.parent if own.is_file() else own):
        raise ModelError(
            f"{path} holds an adapter of {base!r} ({found}), but {info.name!r} is loaded from "
            f"{own}; load {base!r} for it"
        )
    return read_adapter(path, components.lm.config)
