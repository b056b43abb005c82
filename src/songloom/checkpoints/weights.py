"""Tensors of model files into modules, and back.

A file's names and ours differ, and so does what is fused: where we hold one matrix for queries,
keys and values, a file may hold three. `Link` says that once, for reading and for writing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from songloom.checkpoints.inert_pickle import ArchiveTensors
from songloom.errors import ModelError

SAFETENSORS = "model.safetensors"
PICKLED = "pytorch_model.bin"
DOWNLOAD_AGAIN = "Copy or download the model again."


@dataclass(frozen=True)
class Link:
    """Tensors of ours, joined along their first dimension, are those of a file, joined likewise."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    """Names in the file; all of these tensors are equally long."""


def same_tensor(ours: str, theirs: str) -> Link:
    """One tensor under two names."""
    return Link((ours,), (theirs,))


def weight_and_bias(ours: str, theirs: str) -> list[Link]:
    """Links of a layer that has both."""
    return [same_tensor(f"{ours}.{leaf}", f"{theirs}.{leaf}") for leaf in ("weight", "bias")]


@dataclass(frozen=True)
class Weights:
    """Named tensors, read when they are asked for."""

    source: Path
    """The file that errors name."""
    tensors: Mapping[str, Tensor]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    @property
    def size(self) -> int:
        """Bytes of the file, or of the files that an index names."""
        if self.source.name.endswith(".index.json"):
            return sum(path.stat().st_size for path in shard_paths(self.source))
        return self.source.stat().st_size

    def check_elements(self, elements: int, part: str) -> None:
        """Raise ModelError where a network has more numbers than the file has bytes.

        So nothing is allocated, or built, that is much larger than what was given.
        """
        size = self.size
        if elements > size:
            raise ModelError(
                f"{self.source}: by its configuration {part} has {elements} numbers, but the "
                f"file has {size} bytes; weights and configuration belong to different models. "
                f"{DOWNLOAD_AGAIN}"
            )

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor `name`.

        Raises:
            ModelError: it is missing, unreadable or has another shape.
        """
        tensor = self._get(name, f" of shape {shape}")
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{self.source}: the weight {name!r} has shape {tuple(tensor.shape)}, but the "
                f"configuration calls for {shape}; weights and configuration belong to different "
                f"models. {DOWNLOAD_AGAIN}"
            )
        return tensor

    def read(self, name: str) -> Tensor:
        """The tensor `name`, whatever its shape.

        Raises:
            ModelError: it is missing or unreadable.
        """
        return self._get(name, "")

    def width(self, name: str) -> int:
        """The last dimension of the tensor `name`.

        Raises:
            ModelError: it is missing or unreadable, or a single number.
        """
        if isinstance(self.tensors, ArchiveTensors) and name in self.tensors:
            shape = self.tensors.shape(name)
        else:
            shape = tuple(self._get(name, "").shape)
        if not shape:
            raise ModelError(f"{self.source}: the weight {name!r} is a single number, not a matrix")
        return shape[-1]

    def _get(self, name: str, described: str) -> Tensor:
        if name not in self.tensors:
            raise ModelError(
                f"{self.source} lacks the weight {name!r}{described}, which the configuration "
                f"calls for; the file is incomplete or belongs to another model. {DOWNLOAD_AGAIN}"
            )
        try:
            tensor = self.tensors[name]
            if not isinstance(tensor, Tensor):
                raise TypeError(f"it is a {type(tensor).__name__}, no tensor")
            return tensor
        except Exception as error:  # each kind of file has its own, safetensors' derives from none
            raise ModelError(
                f"{self.source}: the weight {name!r} cannot be read ({error}). {DOWNLOAD_AGAIN}"
            ) from error

    def refuse_leftovers(self, known: Iterable[str], prefixes: tuple[str, ...]) -> None:
        """Raise ModelError when a weight under `prefixes` is not among the `known` names."""
        left = sorted({n for n in self.tensors if n.startswith(prefixes)} - set(known))
        if left:
            raise ModelError(
                f"{self.source} holds {len(left)} weights that its configuration has no place for, "
                f"the first being {left[0]!r}; weights and configuration belong to different "
                f"models. {DOWNLOAD_AGAIN}"
            )


class _Shards(Mapping[str, Tensor]):
    """The tensors of several safetensors files, mapped into memory rather than read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        from safetensors import SafetensorError, safe_open

        self._files: dict[str, Any] = {}
        for path in paths:
            try:
                file: Any = safe_open(path, framework="pt")
                names: list[str] = file.keys()
            except (SafetensorError, OSError) as error:
                raise ModelError(
                    f"{path} is not a whole safetensors file ({error}). {DOWNLOAD_AGAIN}"
                ) from error
            self._files.update(dict.fromkeys(names, file))

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def has_weights(folder: Path) -> bool:
    """Whether `folder` has weights that `open_weights` can try to read."""
    names = (SAFETENSORS, PICKLED)
    return any((folder / n).is_file() or (folder / f"{n}.index.json").is_file() for n in names)


def open_weights(folder: Path, names: tuple[str, str] = (SAFETENSORS, PICKLED)) -> Weights:
    """The weights of a folder in the transformers layout, in one file or in several.

    Args:
        folder: the folder.
        names: what the file is called as safetensors, and as a pickle.

    Raises:
        ModelError: a file is missing or broken.
    """
    for name in names:
        path, index = folder / name, folder / f"{name}.index.json"
        if path.is_file():
            return Weights(path, _read([path]))
        if index.is_file():
            return Weights(index, _read(shard_paths(index)))
    raise ModelError(
        f"{folder} holds neither {names[0]} nor {names[1]}, nor an index of several such files. "
        f"{DOWNLOAD_AGAIN}"
    )


def shard_paths(index: Path) -> list[Path]:
    """The files that a `*.index.json` names.

    Raises:
        ModelError: the index is broken, or a file that it names is missing.
    """
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{index} is not an index of weight files ({error}). {DOWNLOAD_AGAIN}"
        ) from error
    for name in names:
        if Path(name).name != name or not (index.parent / name).is_file():
            raise ModelError(f"{index} names {name!r}, but there is no such file. {DOWNLOAD_AGAIN}")
    return [index.parent / name for name in names]


def _read(paths: list[Path]) -> Mapping[str, Tensor]:
    if paths[0].suffix == ".safetensors":
        return _Shards(paths)
    return {name: tensor for path in paths for name, tensor in load_pickled(path).items()}


def load_pickled(path: Path) -> dict[str, Any]:
    """A dictionary that `torch.save` wrote, read without running any code.

    Raises:
        ModelError: the file is broken, or holds more than tensors and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", mmap=_is_zip(path), weights_only=True)
    except Exception as error:  # a damaged pickle can make anything go wrong
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{path} cannot be read as weights ({reason}); it is incomplete, or holds more than "
            f"tensors and plain values, which is refused because it could run code. "
            f"{DOWNLOAD_AGAIN}"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path} holds a {type(content).__name__}, but a dictionary of weights was expected. "
            f"{DOWNLOAD_AGAIN}"
        )
    return content


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def fill(
    module: nn.Module,
    links: Iterable[Link],
    weights: Weights,
    device: torch.device,
    dtype: torch.dtype | None,
) -> None:
    """Give a module that was built on the `meta` device its weights.

    Args:
        module: no memory is spent on it before, nor time on random numbers.
        links: where each of its tensors lies in the file; together they cover all of them.
        weights: the file.
        device: where the tensors go.
        dtype: their precision; None keeps the file's.

    Raises:
        ModelError: a weight is missing or has another shape.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    weights.check_elements(sum(map(math.prod, shapes.values())), "a network")
    state: dict[str, Tensor] = {}
    for link in links:
        lengths = [shapes[name][0] for name in link.ours]
        rest = shapes[link.ours[0]][1:]
        expected = (sum(lengths) // len(link.theirs), *rest)
        parts = [weights.take(name, expected) for name in link.theirs]
        whole = torch.empty(
            (sum(lengths), *rest), device=device, dtype=dtype if dtype else parts[0].dtype
        )
        for target, part in zip(torch.split(whole, expected[0]), parts, strict=True):
            target.copy_(part)
        if whole.is_floating_point() and not whole.isfinite().all():
            raise ModelError(
                f"{weights.source}: the weight {link.theirs[0]!r} holds numbers that are not "
                f"finite; the model is damaged, or its training went wrong. {DOWNLOAD_AGAIN}"
            )
        if len(link.ours) == 1:
            state[link.ours[0]] = whole
        else:
            # Clones: tensors that share a storage cannot be saved as safetensors.
            state.update(
                (name, part.clone())
                for name, part in zip(link.ours, torch.split(whole, lengths), strict=True)
            )
    module.load_state_dict(state, strict=True, assign=True)


def collect(module: nn.Module, links: Iterable[Link]) -> dict[str, Tensor]:
    """The weights of a module under the names of a file: the inverse of `fill`, on the CPU."""
    state = module.state_dict()
    named: dict[str, Tensor] = {}
    for link in links:
        whole = torch.cat([state[name].detach().cpu() for name in link.ours])
        parts = whole.chunk(len(link.theirs)) if len(link.theirs) > 1 else (whole,)
        named.update(
            (name, part.clone(memory_format=torch.contiguous_format))
            for name, part in zip(link.theirs, parts, strict=True)
        )
    return named
