"""Configuration files of a model folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from songloom.errors import ModelError

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: the file is missing or does not hold a JSON object.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} is missing, but it says how the model is built; "
            "copy or download the model again"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read as JSON ({error}); copy or download the model again"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path} holds a {type(content).__name__}, but an object was expected; "
            "copy or download the model again"
        )
    return content


def parse_config(kind: type[PretrainedConfig], section: dict[str, Any], source: Path) -> Any:
    """A transformers configuration, with its defaults for what `section` leaves out.

    Raises:
        ModelError: a value is of the wrong type or makes no sense.
    """
    from huggingface_hub.errors import StrictDataclassError

    try:
        return kind.from_dict(section)
    except (TypeError, ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ModelError(
            f"{source} is not a valid MusicGen configuration ({reason}); "
            "copy or download the model again"
        ) from error


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
