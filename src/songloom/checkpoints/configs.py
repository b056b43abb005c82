"""Configuration files of a model folder."""

from __future__ import annotations

import dataclasses
import json
import math
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from songloom.errors import ModelError

Config = TypeVar("Config")
_MOST_BYTES = 32 * 2**20
"""Of a JSON file; an index of thousands of weights has less than one million."""
LARGEST_SIZE, LARGEST_NUMBER, MOST_LAYERS = 2**20, 1e9, 1024
"""Bounds on what a configuration may say: a width or a rate, any other number, how many of a thing;
each is many times what any published model has."""
_COUNTS = (
    "num_layers",
    "num_hidden_layers",
    "num_lstm_layers",
    "num_residual_layers",
    "depth",
    "num_codebooks",
    "res_blocks",
)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: the file is missing or does not hold a JSON object.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES // 2**20} MiB")
        content = json.loads(text.decode(), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} is missing, but it says how the model is built; "
            "copy or download the model again"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read as JSON ({error}); copy or download the model again"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path} holds a {type(content).__name__}, but an object was expected; "
            "copy or download the model again"
        )
    return content


@contextmanager
def convert_config_errors(source: Path) -> Iterator[None]:
    """Turn what goes wrong while a network is made of a configuration into a ModelError."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # each library has its own for sizes that make no sense
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"{source} describes no network that can be built ({reason}); copy or download the "
            "model again"
        ) from error


def whole_number(
    section: dict[str, Any], name: str, default: int, source: Path, most: int = LARGEST_SIZE
) -> int:
    """The whole number above 0 that a configuration calls `name`.

    Raises:
        ModelError: there is something else.
    """
    value = section.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
        raise ModelError(
            f"{source} is not a valid MusicGen configuration: {name} is {reprlib.repr(value)}, but "
            f"a whole number from 1 to {most} was expected; copy or download the model again"
        )
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def parse_config(kind: type[Config], section: dict[str, Any], source: Path) -> Config:
    """A network's configuration: a dataclass whose fields have the names of `config.json`.

    Fields that `section` leaves out have the dataclass's default; keys that the dataclass does not
    have (many concern training only) are ignored.

    Raises:
        ModelError: a value is of the wrong type or makes no sense.
    """
    values = {}
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = section.get(item.name)
        if value is None:
            continue
        if isinstance(item.default, tuple) and isinstance(value, list):
            value = tuple(value)
        most = MOST_LAYERS if item.name in _COUNTS else LARGEST_SIZE
        if not _is_like(value, item.default, most):
            raise ModelError(
                f"{source} is not a valid MusicGen configuration: {item.name} is "
                f"{reprlib.repr(value)}, but something like {item.default!r} was expected; copy or "
                "download the model again"
            )
        values[item.name] = value
    return kind(**values)


def _is_like(value: Any, default: Any, most: int) -> bool:
    """Whether a value is of the same type as a default, and a size in bounds where it is one."""
    if isinstance(default, tuple):
        if not isinstance(value, tuple) or not 0 < len(value) <= MOST_LAYERS:
            return False
        return all(_is_like(part, default[0], most) for part in value)
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, str):
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    if default is None or isinstance(default, int):
        return isinstance(value, int) and 0 < value <= most
    return isinstance(value, int | float) and 0 < value <= LARGEST_NUMBER and math.isfinite(value)


def section_of(config: dict[str, Any], part: str, source: Path) -> dict[str, Any]:
    """One network's part of a MusicGen model's `config.json`.

    Raises:
        ModelError: there is no such part.
    """
    section = config.get(part)
    if not isinstance(section, dict):
        raise ModelError(
            f"{source} has no section {part!r}, which a MusicGen model has; "
            "copy or download the model again"
        )
    return section
