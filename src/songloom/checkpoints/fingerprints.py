"""One number for all weights of a model, the same in whichever kind of file they are stored.

It covers the name, type, shape and bytes of every tensor, in the order of the names; of an adapter
also its strength. Safetensors are read without PyTorch, which the server's process never imports.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from songloom.checkpoints.configs import read_json
from songloom.checkpoints.home import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from songloom.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_SAFETENSORS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_STRENGTH = ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora")
"""Settings of an adapter without which its weights do not say what it does."""
_TYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
    "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
"""PyTorch's types, as safetensors calls them."""
_LARGEST_HEAD = 100_000_000
"""Bytes of the JSON at the head of a safetensors file; the format allows no more."""
_CHUNK = 2**24


@dataclass(frozen=True)
class _Stored:
    """A tensor in a safetensors file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def digest_weights(path: Path) -> str:
    """The SHA-256 over the weights in a folder, or in a checkpoint and what belongs to it.

    Raises:
        ModelError: a file is missing or broken, or it is no model.
    """
    digest = hashlib.sha256()
    files = _safetensors_in(path)
    if files:
        _add_stored(digest, [entry for file in files for entry in _read_entries(file)])
    else:
        for part, tensors in _read_parts(path):
            _add_tensors(digest, path, part, tensors)
    if (path / ADAPTER_CONFIG).is_file():
        config = read_json(path / ADAPTER_CONFIG)
        strength = {key: config.get(key) or None for key in _STRENGTH}
        digest.update(json.dumps(strength, sort_keys=True).encode())
    return digest.hexdigest()


def read_head(file: Path) -> dict[str, Any]:
    """The header of a safetensors file.

    Raises:
        ModelError: it is no such file.
    """
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > _LARGEST_HEAD:
                raise ValueError(f"a head of {length} bytes")
            head = json.loads(opened.read(length))
        if not isinstance(head, dict):
            raise ValueError("a head that is no object")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{file} is not a whole safetensors file ({error}); copy or download the model again"
        ) from error
    return head


def _safetensors_in(path: Path) -> list[Path]:
    """The safetensors files of a model's folder; empty where its weights are stored otherwise."""
    names = [ADAPTER_WEIGHTS] if (path / ADAPTER_CONFIG).is_file() else [_SAFETENSORS]
    if not (path / "config.json").is_file() and names == [_SAFETENSORS]:
        return []
    if names == [_SAFETENSORS] and not (path / _SAFETENSORS).is_file() and _has(path, _INDEX):
        shards = read_json(path / _INDEX).get("weight_map")
        named = shards.values() if isinstance(shards, dict) else ()
        names = sorted({Path(str(name)).name for name in named})
    return [path / name for name in names if (path / name).is_file()]


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _read_entries(file: Path) -> list[tuple[str, _Stored]]:
    head = read_head(file)
    try:
        with file.open("rb") as opened:
            start = 8 + int.from_bytes(opened.read(8), "little")
        return [
            (
                name,
                _Stored(
                    file,
                    str(entry["dtype"]),
                    tuple(int(size) for size in entry["shape"]),
                    start + int(entry["data_offsets"][0]),
                    start + int(entry["data_offsets"][1]),
                ),
            )
            for name, entry in head.items()
            if name != "__metadata__"
        ]
    except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(
            f"{file} is not a whole safetensors file ({error}); copy or download the model again"
        ) from error


def _add_stored(digest: hashlib._Hash, entries: list[tuple[str, _Stored]]) -> None:
    for name, stored in sorted(entries, key=lambda entry: entry[0]):
        digest.update(f"{name} {stored.dtype} {stored.shape}\n".encode())
        left = stored.end - stored.begin
        try:
            with stored.file.open("rb") as file:
                file.seek(stored.begin)
                while left > 0 and (chunk := file.read(min(left, _CHUNK))):
                    digest.update(chunk)
                    left -= len(chunk)
        except (OSError, ValueError) as error:
            raise ModelError(f"{stored.file} cannot be read ({error}); copy it again") from error
        if left:
            raise ModelError(
                f"{stored.file} ends within the weight {name!r}; copy or download the model again"
            )


def _read_parts(path: Path) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    """The tensors of a model's files, and what stands before their names."""
    from songloom.checkpoints import reference
    from songloom.checkpoints.adapter import open_adapter_weights
    from songloom.checkpoints.weights import has_weights, open_weights

    if (path / ADAPTER_CONFIG).is_file():
        yield "", open_adapter_weights(path).tensors
        return
    if path.is_dir() and _has(path, "config.json") and has_weights(path):
        yield "", open_weights(path).tensors
        return
    checkpoint = reference.checkpoint_file(path)
    if checkpoint is None:
        raise ModelError(f"{path} holds no model; name one that `songloom models` lists")
    yield from reference.weight_parts(checkpoint)


def _add_tensors(
    digest: hashlib._Hash, path: Path, part: str, tensors: Mapping[str, Tensor]
) -> None:
    import torch

    for name in sorted(tensors):
        try:
            tensor = tensors[name].detach().contiguous()
        except (OSError, RuntimeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"{path}: the weight {name!r} cannot be read ({error}); copy or download the "
                "model again"
            ) from error
        kind = str(tensor.dtype).removeprefix("torch.")
        dtype = _TYPES.get(kind, kind)
        digest.update(f"{part}{name} {dtype} {tuple(tensor.shape)}\n".encode())
        raw: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        digest.update(raw)
