"""Trees of settings with dotted keys, as the reference library's configurations are."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from songloom.checkpoints.configs import LARGEST_NUMBER, LARGEST_SIZE, MOST_LAYERS
from songloom.errors import ModelError


@dataclass(frozen=True)
class ConfigTree:
    """Settings of a checkpoint; `a.b.c` names the value at `tree["a"]["b"]["c"]`."""

    tree: Mapping[str, Any]
    source: Path
    """The file that errors name."""

    def find(self, key: str, default: Any = None) -> Any:
        """The value at `key`, or `default` where there is none."""
        node: Any = self.tree
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return default
            node = node[part]
        return node

    def integer(self, key: str) -> int:
        """The whole number above 0 at `key`.

        Raises:
            ModelError: there is something else.
        """
        value = self.find(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST_SIZE:
            raise self._unexpected_value(key, value, f"a whole number from 1 to {LARGEST_SIZE}")
        return value

    def number(self, key: str) -> float:
        """The number above 0 at `key`.

        Raises:
            ModelError: there is something else.
        """
        value = self.find(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value < LARGEST_NUMBER
        ):
            raise self._unexpected_value(key, value, "a number above 0")
        return float(value)

    def integers(self, key: str) -> list[int]:
        """The list of whole numbers, from 0 up, at `key`.

        Raises:
            ModelError: there is something else.
        """
        value = self.find(key)
        if (
            not isinstance(value, list)
            or not 0 < len(value) <= MOST_LAYERS
            or not all(_is_count(item) for item in value)
        ):
            raise self._unexpected_value(key, value, "a list of whole numbers")
        return value

    def require(self, expected: Mapping[str, Any]) -> None:
        """Raise ModelError where a value is there and differs from the one that is expected."""
        for key, value in expected.items():
            found = self.find(key, value)
            # True equals 1 in Python, but where a switch is expected, a number is a mistake.
            if found != value or isinstance(found, bool) != isinstance(value, bool):
                raise ModelError(
                    f"{self.source}: its configuration has {key} = {reprlib.repr(found)}, but "
                    f"songloom supports only {value!r}; choose a MusicGen model of the official "
                    "kinds"
                )

    def _unexpected_value(self, key: str, value: Any, expected: str) -> ModelError:
        return ModelError(
            f"{self.source}: its configuration has {key} = {reprlib.repr(value)}, but "
            f"{expected} was expected; get the checkpoint again"
        )


def tree_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The tree that holds `values` at their dotted keys."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, leaf = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[leaf] = value
    return tree


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_SIZE
