"""The models that are known by name."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

NANO = "nano"
NON_COMMERCIAL = "CC-BY-NC 4.0"
"""Licence of the official MusicGen weights, and so of what is fine-tuned from them."""


@dataclass(frozen=True)
class KnownModel:
    """A model that can be asked for by a short name."""

    name: str
    source: str
    """Its hub id; `embedded` for the one that comes with songloom."""
    parameters: str
    """Size of the language model, as its makers state it; empty for the embedded one."""
    channels: int
    melody: bool
    licence: str


def _official(name: str, parameters: str) -> KnownModel:
    return KnownModel(
        name=name,
        source=f"facebook/musicgen-{name}",
        parameters=parameters,
        channels=2 if name.startswith("stereo-") else 1,
        melody="melody" in name,
        licence=NON_COMMERCIAL,
    )


KNOWN: tuple[KnownModel, ...] = (
    KnownModel(NANO, "embedded", "", 1, True, "Apache-2.0"),
    _official("small", "300M"),
    _official("medium", "1.5B"),
    _official("large", "3.3B"),
    _official("melody", "1.5B"),
    _official("melody-large", "3.3B"),
    _official("stereo-small", "300M"),
    _official("stereo-medium", "1.5B"),
    _official("stereo-large", "3.3B"),
    _official("stereo-melody", "1.5B"),
    _official("stereo-melody-large", "3.3B"),
)


@dataclass(frozen=True)
class ModelListing:
    """A known model, and whether it can be used without a download."""

    name: str
    source: str
    parameters: str
    channels: int
    melody: bool
    licence: str
    local: bool
    path: Path | None
    size_bytes: int | None
    """Bytes on this machine; None where it is not."""


def known_model(name: str) -> KnownModel | None:
    """The known model called `name`, or whose hub id that is."""
    return next((model for model in KNOWN if name in (model.name, model.source)), None)


def embedded_folder() -> Path:
    """Where the embedded model lies."""
    return Path(str(resources.files("songloom"))) / "assets" / NANO


def list_models() -> tuple[ModelListing, ...]:
    """Every known model; asks this machine's files only, never the network."""
    from songloom.checkpoints.hub import cached_folder

    listings = []
    for model in KNOWN:
        if model.name == NANO:
            folder = embedded_folder()
            path = folder if (folder / "config.json").is_file() else None
        else:
            path = cached_folder(model.source)
        listings.append(
            ModelListing(
                name=model.name,
                source=model.source,
                parameters=model.parameters or _lm_parameters(path),
                channels=model.channels,
                melody=model.melody,
                licence=model.licence,
                local=path is not None,
                path=path,
                size_bytes=None if path is None else _size(path),
            )
        )
    return tuple(listings)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _lm_parameters(folder: Path | None) -> str:
    """Size of a folder's language model, from the head of its weight file: "7.1M", or "?"."""
    if folder is None:
        return "?"
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    count = sum(
        math.prod(entry["shape"]) for name, entry in header.items() if name.startswith("decoder.")
    )
    return f"{count / 1e6:.1f}M"
