"""Inputs of predictions and trainings over HTTP: the hosted original's first, then ours.

What is offered (names, types, defaults, choices, order) is exactly the original's, since code and
forms are made from it. What is accepted is more: all that a request of songloom's own may hold.
"""

from __future__ import annotations

import functools
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from songloom.errors import RequestError
from songloom.fields import FieldSpec, Option, fields_of
from songloom.jobs.store.records import JobKind
from songloom.request import GenerationRequest
from songloom.server.files.addresses import is_file_url
from songloom.training_request import TrainingRequest

JsonType = Literal["string", "integer", "number", "boolean"]

MOST_TAKES = 16
"""Pieces of one prediction."""

_ORIGINAL: dict[JobKind, tuple[str, ...]] = {
    "prediction": (
        "prompt", "input_audio", "duration", "continuation", "continuation_start",
        "continuation_end", "multi_band_diffusion", "normalization_strategy", "top_k", "top_p",
        "temperature", "classifier_free_guidance", "output_format", "seed", "replicate_weights",
    ),
    "training": (
        "dataset_path", "auto_labeling", "drop_vocals", "one_same_description", "model_version",
        "epochs", "updates_per_epoch", "batch_size", "optimizer", "lr", "lr_scheduler", "warmup",
        "cfg_p",
    ),
}  # fmt: skip
_WHOLE = ("duration", "continuation_start", "continuation_end", "classifier_free_guidance")
"""Numbers of which the original offers only whole ones."""
_CHOICES: dict[str, tuple[str, ...]] = {
    "output_format": ("wav", "mp3"),
    "optimizer": ("dadam", "adamw"),
    "model_version": (
        "stereo-melody", "stereo-small", "stereo-medium", "melody", "small", "medium",
    ),
}  # fmt: skip
"""Choices of the original where we have more of them."""
_DEFAULTS: dict[str, Any] = {
    "prompt": None,
    "drop_vocals": True,
    "model_version": "stereo-melody",
    "lr": 1,
}
"""Defaults of the original where songloom's own differ."""
_NOT_OFFERED = ("name", "device")
"""Fields that a client does not decide: the first follows from a training's destination."""

_MODEL = "any name that `GET /v1/models` lists, or a version's id"
_OWN: dict[JobKind, tuple[FieldSpec, ...]] = {
    "prediction": (
        FieldSpec(
            "replicate_weights",
            str,
            None,
            Option(
                "Fine-tuned weights to use: the URL of a training's result (or of the original's "
                f"trained_model.tar), or {_MODEL}; none is the model itself."
            ),
            optional=True,
        ),
        FieldSpec(
            "model",
            str,
            None,
            Option(f"Model to use in place of the version's: {_MODEL}."),
            optional=True,
        ),
        FieldSpec(
            "count",
            int,
            1,
            Option(
                "Pieces to generate, with seeds counting up; for more than one, the output is a "
                "list.",
                minimum=1,
                maximum=MOST_TAKES,
            ),
        ),
    ),
    "training": (
        FieldSpec(
            "model",
            str,
            None,
            Option(f"Model to train, in place of model_version: {_MODEL}."),
            optional=True,
        ),
    ),
}


class WireError(RequestError):
    """One input is invalid."""

    def __init__(self, message: str, type: str, *, field: str) -> None:
        super().__init__(message, field=field)
        self.type = type
        """Kind of mistake, in the words of the original's answers."""


@dataclass(frozen=True)
class WireInput:
    """One input."""

    spec: FieldSpec
    """The accepted values; its default is the one on the wire."""
    type: JsonType
    """The offered type, like all that follows."""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None

    @property
    def name(self) -> str:
        """The input's name."""
        return self.spec.name

    @property
    def is_file(self) -> bool:
        """Whether its value is the URL of a file."""
        return self.spec.type is Path

    def read(self, value: Any) -> tuple[Any, str]:
        """A value in the input's type, and what there is to say about how it was taken.

        As in Cog, a text may stand for a number or a boolean, and of a number the whole part is
        taken where it must be whole. A file's value stays a URL.

        Raises:
            WireError: it can't be taken.
        """
        if self.is_file:
            return self._url(value), ""
        meant = _coerce(self.spec.type, value)
        cut = isinstance(meant, int) and isinstance(value, float) and meant != value
        try:
            if isinstance(meant, int) and abs(meant) >= 2**63:
                raise RequestError("beyond 64 bits")
            if isinstance(meant, str):
                meant.encode()
            parsed = self.spec.parse(meant)
        except (RequestError, UnicodeEncodeError):
            raise WireError(self._refusal(value), self._mistake(meant), field=self.name) from None
        return self._to_wire(parsed), f"{self.name} {value!r} is taken as {parsed}" if cut else ""

    def _to_wire(self, value: Any) -> Any:
        """A value as clients expect it back: 8, not 8.0, where whole numbers are offered."""
        whole = self.type == "integer" and isinstance(value, float) and value.is_integer()
        return int(value) if whole else value

    def _url(self, value: Any) -> str:
        if not isinstance(value, str) or not is_file_url(value):
            raise WireError(
                f"{self.name} is {show_value(value)}, but must be the URL of a file, with http, "
                "https or data; upload the file (POST /v1/files) and give the URL that comes back",
                "value_error",
                field=self.name,
            )
        return value

    def _refusal(self, value: Any) -> str:
        default = self.spec.default
        remedy = "" if default is None else f" for the default ({default!r})"
        return (
            f"{self.name} is {show_value(value)}, but must be {self.spec.expectation}; "
            f"leave it out{remedy}"
        )

    def _mistake(self, value: Any) -> str:
        spec = self.spec
        if spec.choices:
            return "type_error.enum"
        longest = spec.option.longest
        if longest is not None and isinstance(value, str) and len(value) > longest:
            return "value_error.any_str.max_length"
        if spec.type in (int, float) and isinstance(value, int | float) and value is not True:
            low, high = spec.option.minimum, spec.option.maximum
            if low is not None and value < low:
                return "value_error.number.not_ge"
            if spec.option.above is not None and value <= spec.option.above:
                return "value_error.number.not_gt"
            if high is not None and value > high:
                return "value_error.number.not_le"
        return _TYPE_MISTAKES[spec.type]


@functools.cache
def wire_inputs(kind: JobKind) -> tuple[WireInput, ...]:
    """All inputs of predictions or of trainings, in their order."""
    request = GenerationRequest if kind == "prediction" else TrainingRequest
    specs = {spec.name: spec for spec in (*_OWN[kind], *fields_of(request))}
    original = [_as_original(specs[name]) for name in _ORIGINAL[kind]]
    further = [
        WireInput(
            spec,
            _JSON_TYPES[spec.type],
            choices=spec.choices,
            minimum=spec.option.minimum,
            above=spec.option.above,
            maximum=spec.option.maximum,
        )
        for name, spec in specs.items()
        if name not in _ORIGINAL[kind] and name not in _NOT_OFFERED
    ]
    return (*original, *further)


def select_given(kind: JobKind, values: Mapping[str, Any]) -> dict[str, tuple[WireInput, Any]]:
    """The inputs that have a value: null stands for none, as does an empty name of a file."""
    found = {}
    for wire in wire_inputs(kind):
        value = values.get(wire.name)
        blank = value == "" and (wire.is_file or wire.spec.optional)
        if value is not None and not blank:
            found[wire.name] = (wire, value)
    return found


def show_value(value: Any) -> str:
    """A value for a message, however long it is; of a URL, nothing that may be secret."""
    if isinstance(value, str):
        value = value.partition("?")[0]
    return _SHORT.repr(value)


def _as_original(spec: FieldSpec) -> WireInput:
    default = _DEFAULTS.get(spec.name, spec.default)
    whole = spec.name in _WHOLE
    if whole and default is not None:
        default = int(default)
    return WireInput(
        replace(spec, default=default, optional=spec.optional or default is None),
        "integer" if whole else _JSON_TYPES[spec.type],
        choices=_CHOICES.get(spec.name, spec.choices),
        minimum=0.0 if spec.name.startswith("continuation_") else None,
    )


def _coerce(kind: type, value: Any) -> Any:
    """Convert a value to a type; the value itself where it stands for nothing there."""
    if isinstance(value, bool):
        return value
    try:
        if kind is int and isinstance(value, float) and math.isfinite(value):
            return int(value)
        if kind in (int, float) and isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
            return kind(value)
    except ValueError:
        return value
    if kind is bool and isinstance(value, int | float | str):
        return _BOOLEANS.get(str(value).lower(), value)
    if kind is str and isinstance(value, int | float):
        return str(value)
    return value


_LONGEST_NUMBER = 100
_BOOLEANS = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n", "off"), False
)
_JSON_TYPES: dict[type, JsonType] = {
    str: "string",
    Path: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
}
_TYPE_MISTAKES = {
    str: "type_error.str",
    int: "type_error.integer",
    float: "type_error.float",
    bool: "value_error.strictbool",
}
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
