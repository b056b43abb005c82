"""Configuration files of a model folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from songloom.errors import ModelError

Config = TypeVar("Config")
_MOST_BYTES = 32 * 2**20
"""Of a JSON file; an index of thousands of weights has less than one million."""


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


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def parse_config(kind: type[Config], section: dict[str, Any], source: Path) -> Config:
    """A network's configuration: a dataclass whose fields have the names of `config.json`.

    What `section` leaves out has the dataclass's default; what the dataclass does not know (there
    is much that concerns training only) is passed over.

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
        if not _is_like(value, item.default):
            raise ModelError(
                f"{source} is not a valid MusicGen configuration: {item.name} is {value!r}, but "
                f"something like {item.default!r} was expected; copy or download the model again"
            )
        values[item.name] = value
    return kind(**values)


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value is of the same type as a default, and a size above zero where it is one."""
    if isinstance(default, tuple):
        return bool(value) and all(_is_like(part, default[0]) for part in value)
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, str):
        return isinstance(value, str)
    wanted = (int,) if default is None or isinstance(default, int) else (int, float)
    return isinstance(value, wanted) and not isinstance(value, bool) and value > 0


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
