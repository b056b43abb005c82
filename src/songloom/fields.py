"""Declared fields: from an annotation to all that an interface needs to offer and check a value.

    batch_size: Annotated[int, Option("Windows of one update.", minimum=1)] = 16

A request is a frozen dataclass of such fields. Command-line options, HTTP schemas and forms are
made from `fields_of(request class)`, so none of them can disagree with what is accepted.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin

from songloom.errors import RequestError

_LONGEST_SHOWN = 200
"""Characters of a value in an error."""


@dataclass(frozen=True)
class Option:
    """Help and bounds of a field, in its annotation: `Annotated[int, Option("...", minimum=0)]`."""

    help: str
    minimum: float | None = None
    """Smallest value allowed."""
    above: float | None = None
    """Values must be greater than this."""
    maximum: float | None = None
    """Largest value allowed."""
    longest: int | None = None
    """Most characters of a text."""
    unset: int | None = None
    """A number that callers may pass instead of None, because the hosted original takes it."""
    affects_result: bool = False
    """Whether a training resumes only with the same value, since it decides what is learned."""


@dataclass(frozen=True)
class FieldSpec:
    """One field of a request: all that an interface needs to offer it."""

    name: str
    type: type
    """`str`, `int`, `float`, `bool` or `Path`; a field with choices is a `str`."""
    default: Any
    option: Option
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether None is allowed."""
    required: bool = False
    """Whether there is no default."""

    @property
    def expectation(self) -> str:
        """The values that are accepted, in words: "a number from 0 to 1"."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = _TYPE_WORDS[self.type]
        low, above, high = self.option.minimum, self.option.above, self.option.maximum
        if low is not None and high is not None:
            words += f" from {low} to {high}"
        elif low is not None:
            words += f" of at least {low:g}"
        elif above is not None:
            words += f" above {above:g}"
        if self.option.longest is not None:
            words += f" of at most {self.option.longest} characters"
        if self.option.unset is not None:
            words += f" (or {self.option.unset} for none)"
        return words

    def parse(self, value: Any) -> Any:
        """Return `value` in this field's type.

        Raises:
            RequestError: `value` has another type or lies outside the bounds. A text is never
                read as a number, nor a boolean as one: that could hide a mistake.
        """
        if self.optional and (value is None or _is_unset(value, self.option.unset)):
            return None
        if self.type is Path and _URL.match(str(value)):
            raise RequestError(
                f"{self.name} is {str(value)!r}, a URL, but must be {self.expectation} on this "
                "machine; download it first (curl -LO URL), and give the path",
                field=self.name,
            )
        try:
            parsed = _PARSERS[self.type](value)
        except (TypeError, ValueError):
            raise self._refuse(value) from None
        if self.choices and parsed not in self.choices:
            raise self._refuse(value)
        longest = self.option.longest
        if longest is not None and len(parsed) > longest:
            raise self._refuse(value)
        low, above, high = self.option.minimum, self.option.above, self.option.maximum
        if (
            (low is not None and parsed < low)
            or (above is not None and parsed <= above)
            or (high is not None and parsed > high)
        ):
            raise self._refuse(value)
        return parsed

    def parse_text(self, text: str) -> Any:
        """Return what was typed, in this field's type; numbers are written as in Python.

        Raises:
            RequestError: the text stands for no value that `parse` takes.
        """
        if self.type not in (int, float):
            return self.parse(text)
        try:
            number = self.type(text)
        except ValueError:
            raise self._refuse(text) from None
        return self.parse(number)

    def _refuse(self, value: Any) -> RequestError:
        default = "none" if self.default is None else repr(self.default)
        remedy = "give one" if self.required else f"leave it out for the default ({default})"
        shown = repr(value)
        if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
            shown = f"{value[:_LONGEST_SHOWN]!r}... ({len(value)} characters)"
        return RequestError(
            f"{self.name} is {shown}, but must be {self.expectation}; {remedy}", field=self.name
        )


@dataclass(frozen=True)
class Request:
    """Base of requests: parses values into their declared types, and converts to plain data."""

    def __post_init__(self) -> None:
        """Parse every value; raises `RequestError` for one that its field does not take."""
        for spec in fields_of(type(self)):
            object.__setattr__(self, spec.name, spec.parse(getattr(self, spec.name)))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a request from names and values, as a JSON body holds them.

        Raises:
            RequestError: a name is unknown or missing, or a value is invalid.
        """
        specs = fields_of(cls)
        known = [spec.name for spec in specs]
        for name in values:
            if name not in known:
                raise RequestError(f"unknown field {name!r}; {_suggestion(name, known)}")
        for spec in specs:
            if spec.required and spec.name not in values:
                raise RequestError(
                    f"{spec.name} is missing, but must be {spec.expectation}; give it",
                    field=spec.name,
                )
        return cls(**values)

    def to_mapping(self) -> dict[str, str | int | float | bool | None]:
        """Names and values that JSON can hold; `from_mapping` reads them back."""
        values = {spec.name: getattr(self, spec.name) for spec in fields_of(type(self))}
        return {
            name: str(value) if isinstance(value, Path) else value for name, value in values.items()
        }


def fields_of(request: type[Any]) -> tuple[FieldSpec, ...]:
    """The fields of a request class, in the order of their declaration.

    Annotations are read as they stand, so a module that declares a request must not defer them
    with `from __future__ import annotations`.
    """
    return tuple(_spec(item.name, item.type, item.default) for item in fields(request))


def _spec(name: str, annotation: Any, default: Any) -> FieldSpec:
    declared, option = get_args(annotation)
    optional = NoneType in get_args(declared)
    if optional:
        declared = next(kind for kind in get_args(declared) if kind is not NoneType)
    choices: tuple[str, ...] = get_args(declared) if get_origin(declared) is Literal else ()
    required = default is MISSING
    return FieldSpec(
        name=name,
        type=str if choices else declared,
        default=None if required else default,
        option=option,
        choices=choices,
        optional=optional,
        required=required,
    )


def _suggestion(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "expected one of " + ", ".join(known)


def _is_unset(value: Any, unset: int | None) -> bool:
    return unset is not None and isinstance(value, Real) and value == unset


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _whole_number(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _finite_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise TypeError
    return float(value)


_URL = re.compile(r"(?:https?|ftps?|s3|gs|file|data):/", re.IGNORECASE)
"""How a URL begins, also one that was made a path, which has lost a slash."""


def _path(value: Any) -> Path:
    if value == "":
        raise ValueError
    return Path(value)


_PARSERS: dict[type, Callable[[Any], Any]] = {
    str: _text,
    bool: _boolean,
    int: _whole_number,
    float: _finite_number,
    Path: _path,
}
_TYPE_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    Path: "the path of a file",
}
