"""Which models there are: those that are known by name, and those that the user has trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from songloom.checkpoints.catalogue import (
    KNOWN,
    NANO,
    KnownModel,
    embedded_folder,
    known_model,
    license_of,
)
from songloom.checkpoints.configs import read_json
from songloom.checkpoints.fingerprints import read_head
from songloom.checkpoints.home import TrainedModel, trained_model, trained_models
from songloom.checkpoints.hub import cached_folder
from songloom.checkpoints.precision_records import (
    PrecisionRecord,
    read_records,
    shape_of_config,
)
from songloom.errors import ModelError


@dataclass(frozen=True)
class ModelListing:
    """A model that can be asked for by name, and whether it can be used without a download."""

    name: str
    source: str
    """Hub id of an official model, `embedded`, or the model that a trained one was made from."""
    parameters: str
    """Size of the language model; "?" if unknown."""
    channels: int | None
    """None, like `melody`, for a trained model whose base is not on this machine."""
    melody: bool | None
    licence: str
    local: bool
    path: Path | None
    size_bytes: int | None
    """Bytes on this machine; None where it is not."""
    kind: Literal["official", "embedded", "adapter", "full", "broken"] = "official"
    """The last three are trained models; a broken one lacks files."""
    base: str = ""
    """The model that a trained one was made from; empty if unknown."""
    precisions: tuple[PrecisionRecord, ...] = ()
    """Measured choices of `--dtype auto` for models of this shape on a CPU; empty before the first
    measurement, and for small models, which are not measured."""


def list_models() -> tuple[ModelListing, ...]:
    """Every model with a name; asks this machine's files only, never the network.

    Raises:
        ModelError: the folder of the trained models cannot be read.
    """
    return (*map(_list_known, KNOWN), *map(_list_trained, trained_models()))


def _list_known(model: KnownModel) -> ModelListing:
    if model.name == NANO:
        folder = embedded_folder()
        path = folder if (folder / "config.json").is_file() else None
    else:
        path = cached_folder(model.source)
    return ModelListing(
        name=model.name,
        source=model.source,
        parameters=model.parameters or _lm_parameters(path),
        channels=model.channels,
        melody=model.melody,
        licence=model.licence,
        local=path is not None,
        path=path,
        size_bytes=None if path is None else _size(path),
        kind="embedded" if model.name == NANO else "official",
        precisions=_precisions(_config_of(path)),
    )


def _list_trained(model: TrainedModel) -> ModelListing:
    folder = model.path
    like = _list_folder(model.name, folder) if model.kind == "full" else _base(model, {model.name})
    return replace(
        like,
        name=model.name,
        source=model.base or "?",
        local=model.kind != "broken" and like.local,
        path=folder,
        size_bytes=_size(folder),
        kind=model.kind,
        base=model.base,
    )


def _base(model: TrainedModel, seen: set[str]) -> ModelListing:
    """The model that an adapter works on."""
    known = known_model(model.base)
    if known is not None:
        return _list_known(known)
    trained = trained_model(model.base)
    if trained is None or trained.name in seen:
        folder = Path(model.base).expanduser()
        return _list_folder(model.base, folder if model.base and folder.is_dir() else None)
    if trained.kind == "full":
        return _list_folder(trained.name, trained.path)
    return _base(trained, {*seen, trained.name})


def _list_folder(name: str, folder: Path | None) -> ModelListing:
    """The listing of a whole model's files; hardly anything where there is no such folder."""
    config = _config_of(folder)
    if not config:
        folder = None
    decoder = config.get("decoder")
    channels = decoder.get("audio_channels", 1) if isinstance(decoder, dict) else None
    return ModelListing(
        name=name,
        source="",
        parameters=_lm_parameters(folder),
        channels=channels if isinstance(channels, int) else None,
        melody=config["model_type"] == "musicgen_melody" if "model_type" in config else None,
        licence="?" if folder is None else license_of(name, folder),
        local=folder is not None,
        path=folder,
        size_bytes=None,
        precisions=_precisions(config),
    )


def _config_of(folder: Path | None) -> dict[str, Any]:
    """A model's `config.json`; empty where there is none that can be read."""
    try:
        return {} if folder is None else read_json(folder / "config.json")
    except ModelError:
        return {}


def _precisions(config: dict[str, Any]) -> tuple[PrecisionRecord, ...]:
    shape = shape_of_config(config)
    return tuple(record for record in read_records() if record.situation.shape == shape)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _lm_parameters(folder: Path | None) -> str:
    """Size of a folder's language model, from the head of its weight file: "7.1M", or "?"."""
    weights = None if folder is None else folder / "model.safetensors"
    if weights is None or not weights.is_file():
        return "?"
    try:
        head = read_head(weights)
        count = sum(
            math.prod(entry["shape"]) for name, entry in head.items() if name.startswith("decoder.")
        )
    except (ModelError, KeyError, TypeError):
        return "?"
    return f"{count / 1e6:.1f}M"
