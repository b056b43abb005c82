"""Reads what `torch.save` wrote without running what it may contain.

A pickle is a program: it names functions and calls them. Here the names that a checkpoint needs
stand for plain holders of data, and any other name is refused before anything is called. No module
is imported and no object of another library is made; tensors are read only when they are asked for.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import torch
from torch import Tensor

from songloom.errors import ModelError

_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}
_PLAIN_TYPES = {
    *("bool", "bytes", "dict", "float", "int", "list", "long"),
    *("object", "set", "str", "tuple", "unicode"),
}
"""Built-in types that OmegaConf mentions to say what a value may be; they are never called."""

_MOST_PICKLED = 64 * 2**20
"""Bytes of a pickle without its tensors; thousands of tensors take less than one million."""


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor lies in the file."""

    record: str
    dtype: torch.dtype
    numel: int
    """Elements of the record, of which a tensor may be a part."""
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Archive:
    """A checkpoint: `content` is made of plain values, and of `TensorPlace`s where tensors stand.

    OmegaConf's objects have become dictionaries and lists.
    """

    def __init__(self, path: Path) -> None:
        """Open and read all but the tensors.

        Raises:
            ModelError: the file is broken, or names anything but tensors and configuration.
        """
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            (pickled,) = (n for n in self._zip.namelist() if n.endswith("/data.pkl"))
            self._root = pickled.removesuffix("data.pkl")
            if self._zip.getinfo(pickled).file_size > _MOST_PICKLED:
                raise ValueError("it holds too much beside its tensors")
            with self._zip.open(pickled) as file:
                content = _to_plain(_InertUnpickler(file, path).load(), {})
        except ModelError:
            raise
        except Exception as error:  # a damaged or hostile pickle can make anything go wrong
            raise ModelError(
                f"{path} is not a checkpoint that torch saved ({type(error).__name__}: {error}); "
                "copy or download it again"
            ) from error
        if not isinstance(content, dict):
            raise ModelError(
                f"{path} holds a {type(content).__name__}, but a dictionary was expected; "
                "choose a checkpoint of a model"
            )
        self.content: dict[Any, Any] = content

    def read(self, place: TensorPlace) -> Tensor:
        """The tensor that lies at `place`.

        Raises:
            ValueError: the file has not enough bytes for it, or they are damaged.
        """
        try:
            entry = self._zip.getinfo(f"{self._root}data/{place.record}")
            if entry.file_size != place.numel * place.dtype.itemsize or not place.numel:
                raise ValueError(f"{entry.file_size} bytes for {place.numel} elements")
            if entry.compress_type != zipfile.ZIP_STORED:  # a few bytes could become gigabytes
                raise ValueError("it is compressed, which torch never does")
            with self._zip.open(entry) as file:
                data = bytearray(file.read())  # all of it, so that the checksum is compared
        except (KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"damaged record {place.record}: {error}") from error
        flat = torch.frombuffer(data, dtype=place.dtype)
        return flat.as_strided(place.shape, place.strides, place.offset)


class ArchiveTensors(Mapping[str, Tensor]):
    """The tensors of a dictionary inside an archive, each read when it is asked for."""

    def __init__(self, archive: Archive, state: Mapping[Any, Any]) -> None:
        self._archive = archive
        self._places = {
            name: place
            for name, place in state.items()
            if isinstance(name, str) and isinstance(place, TensorPlace)
        }

    def __getitem__(self, name: str) -> Tensor:
        return self._archive.read(self._places[name])

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, which is not read for it."""
        return self._places[name].shape

    def __contains__(self, name: object) -> bool:
        return name in self._places  # Mapping's own would read the tensor to find out

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _Inert:
    """Stands for an object of any class: keeps the state that the pickle gives it, does nothing."""

    state: Any = None

    def __new__(cls, *args: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _InertDict(dict[Any, Any]):
    """Stands for an OrderedDict."""

    def __setstate__(self, state: Any) -> None:
        pass


class _InertUnpickler(pickle._Unpickler):
    """In Python, as the one in C lets a few bytes of a pickle ask for gigabytes of memory."""

    dispatch: ClassVar = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if code != pickle.BYTEARRAY8[0]  # makes room for as much as the pickle says
    }

    def __init__(self, file: IO[bytes], path: Path) -> None:
        super().__init__(file)
        self._path = path
        # Classes of this one reading: a pickle may set attributes on a class that it names.
        self._inert = type("Inert", (_Inert,), {})
        self._dict = type("InertDict", (_InertDict,), {})

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "torch._utils", "_rebuild_tensor_v2":
                return self._tensor
            case "torch._utils", "_rebuild_parameter":
                return self._parameter
            case "torch", _ if name in _STORAGES:
                return _STORAGES[name]
            case "collections", "OrderedDict":
                return self._dict
            case ("collections", "defaultdict") | ("typing", "Any"):
                return self._inert
            case (("builtins" | "__builtin__"), _) if name in _PLAIN_TYPES:
                return self._inert
            case _ if module.split(".")[0] == "omegaconf":
                return self._inert
        raise ModelError(
            f"{self._path} names {module}.{name}, which a checkpoint has no use for and which "
            "could run code; nothing was run. Ask the maker of the file for safetensors"
        )

    def persistent_load(self, pid: Any) -> TensorPlace:
        kind, dtype, record, _location, numel = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"unknown reference {kind!r}")
        return TensorPlace(str(record), dtype, int(numel), 0, (int(numel),), (1,))

    def _tensor(
        self, storage: TensorPlace, offset: int, shape: Any, strides: Any, *_: Any
    ) -> TensorPlace:
        return TensorPlace(
            storage.record,
            storage.dtype,
            storage.numel,
            int(offset),
            tuple(int(n) for n in shape),
            tuple(int(n) for n in strides),
        )

    def _parameter(self, data: TensorPlace, *_: Any) -> TensorPlace:
        return data


_OPEN = object()
"""Stands for a container whose contents are being replaced."""


def _to_plain(value: Any, seen: dict[int, Any]) -> Any:
    """Replace OmegaConf's nodes and containers by what they contain.

    `seen` holds what is done, by identity, so that what is shared is not done again.

    Raises:
        ValueError: a container is inside itself.
    """
    if not isinstance(value, _Inert | dict | list | tuple):
        return value
    if id(value) not in seen:
        seen[id(value)] = _OPEN
        seen[id(value)] = _plain_contents(value, seen)
    if seen[id(value)] is _OPEN:
        raise ValueError("a container is inside itself")
    return seen[id(value)]


def _plain_contents(value: Any, seen: dict[int, Any]) -> Any:
    if isinstance(value, _Inert):
        state = value.state if isinstance(value.state, dict) else {}
        return _to_plain(state.get("_content", state.get("_val")), seen)
    if isinstance(value, dict):
        return {key: _to_plain(item, seen) for key, item in value.items()}
    return [_to_plain(item, seen) for item in value]
