"""What a person may ask for: each field once, with its type, bounds, default and help.

Interfaces are made from `fields_of(GenerationRequest)`, so none of them can disagree with what the
engine accepts. Names, order and meaning are those of the hosted `sakemin/musicgen-fine-tuner`.
"""

import math
import operator
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from songloom.errors import RequestError

NormalizationStrategy = Literal["loudness", "clip", "peak", "rms"]
OutputFormat = Literal["wav", "mp3", "flac", "ogg"]
MelodyStems = Literal["none", "harmonic", "demucs"]

MAX_DURATION_VARIABLE = "SONGLOOM_MAX_DURATION"
DEFAULT_MAX_DURATION = 600.0


@dataclass(frozen=True)
class Option:
    """What an annotation says beside the type: `Annotated[int, Option("...", minimum=0)]`."""

    help: str
    minimum: float | None = None
    """Smallest value allowed."""
    above: float | None = None
    """Values must be greater than this."""
    maximum: float | None = None
    """Largest value allowed."""
    unset: int | None = None
    """A number that callers may pass instead of None, because the hosted original takes it."""


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
        try:
            parsed = _PARSERS[self.type](value)
        except (TypeError, ValueError):
            raise self._refuse(value) from None
        if self.choices and parsed not in self.choices:
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
        return RequestError(
            f"{self.name} is {value!r}, but must be {self.expectation}; "
            f"leave it out for the default ({default})"
        )


@dataclass(frozen=True)
class GenerationRequest:
    """One piece of music to generate.

    Values are checked when the request is made, so one in hand is well-formed. What depends on the
    audio file or on the model (a start beyond the file's end, a melody for a text-only model) is
    checked by the engine.

    Raises:
        RequestError: a value or a combination of values makes no sense.
    """

    prompt: Annotated[str, Option("A description of the music to generate.")] = ""
    input_audio: Annotated[
        Path | None,
        Option(
            "An audio file that guides the result: it is continued with continuation, "
            "otherwise its melody is followed."
        ),
    ] = None
    duration: Annotated[
        float,
        Option("Length of the result in seconds, a continued clip included.", above=0),
    ] = 8.0
    continuation: Annotated[
        bool, Option("Continue the input audio instead of following its melody.")
    ] = False
    continuation_start: Annotated[
        float, Option("Second of the input audio at which the continued clip starts.", minimum=0)
    ] = 0.0
    continuation_end: Annotated[
        float | None,
        Option(
            "Second of the input audio at which the continued clip ends; "
            "none or -1 is the end of the file.",
            minimum=0,
            unset=-1,
        ),
    ] = None
    multi_band_diffusion: Annotated[
        bool, Option("Decode the tokens with multi-band diffusion instead of the codec's decoder.")
    ] = False
    normalization_strategy: Annotated[
        NormalizationStrategy,
        Option(
            "How the level is set: loudness (-14 LUFS), peak (-1 dBFS), rms (-18 dBFS), "
            "or clip, which only cuts what is too loud."
        ),
    ] = "loudness"
    top_k: Annotated[
        int, Option("Sample among the k most likely tokens; 0 to use top-p.", minimum=0)
    ] = 250
    top_p: Annotated[
        float,
        Option(
            "Sample among the most likely tokens whose probabilities add up to p; "
            "above 0 it replaces top-k.",
            minimum=0,
            maximum=1,
        ),
    ] = 0.0
    temperature: Annotated[
        float,
        Option(
            "How freely tokens are chosen: higher is more varied, 0 always takes the most likely.",
            minimum=0,
        ),
    ] = 1.0
    classifier_free_guidance: Annotated[
        float,
        Option(
            "How closely the result follows prompt and melody; "
            "1 is no guidance, and the least work.",
            minimum=0,
        ),
    ] = 3.0
    output_format: Annotated[OutputFormat, Option("Format of the audio file.")] = "wav"
    seed: Annotated[
        int | None,
        Option(
            "The same seed gives the same music again; none or -1 draws one and reports it.",
            minimum=0,
            maximum=2**63 - 1,
            unset=-1,
        ),
    ] = None
    melody_audio: Annotated[
        Path | None,
        Option(
            "An audio file whose melody is followed while the input audio is continued, "
            "from the beginning of the result on."
        ),
    ] = None
    melody_stems: Annotated[
        MelodyStems,
        Option(
            "What is kept of an audio file before its melody is read: none (everything), "
            "harmonic (drums suppressed), or demucs (drums and bass removed; an extra)."
        ),
    ] = "harmonic"

    def __post_init__(self) -> None:
        """Bring every value into its declared type, then check the combinations."""
        for spec in fields_of(type(self)):
            object.__setattr__(self, spec.name, spec.parse(getattr(self, spec.name)))
        self._check_duration()
        self._check_inputs()
        self._check_sampling()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a request from names and values, as a JSON body holds them.

        Raises:
            RequestError: a name is unknown, or the values make no sense.
        """
        known = [spec.name for spec in fields_of(cls)]
        for name in values:
            if name not in known:
                raise RequestError(f"unknown field {name!r}; {_suggestion(name, known)}")
        return cls(**values)

    def to_mapping(self) -> dict[str, str | int | float | bool | None]:
        """Names and values that JSON can hold; `from_mapping` reads them back."""
        values = {spec.name: getattr(self, spec.name) for spec in fields_of(type(self))}
        return {
            name: str(value) if isinstance(value, Path) else value for name, value in values.items()
        }

    def _check_duration(self) -> None:
        longest = max_duration()
        if self.duration > longest:
            raise RequestError(
                f"duration is {self.duration:g} s, but at most {longest:g} s are allowed; "
                f"ask for less, or set {MAX_DURATION_VARIABLE} to a higher limit"
            )

    def _check_inputs(self) -> None:
        if not self.prompt.strip() and self.input_audio is None and self.melody_audio is None:
            raise RequestError(
                f"prompt is {self.prompt!r} and no input_audio is given, but one is needed; "
                "describe the music, or give an audio file"
            )
        if not self.continuation:
            if self.input_audio is not None and self.melody_audio is not None:
                raise RequestError(
                    f"input_audio ({self.input_audio}) and melody_audio ({self.melody_audio}) are "
                    "both melodies to follow, but one is expected; "
                    "turn continuation on to continue the first, or leave one out"
                )
            return
        if self.input_audio is None:
            raise RequestError(
                "continuation is on, but there is no input_audio to continue; "
                "give an audio file, or turn continuation off"
            )
        if self.continuation_end is None:
            return
        clip = self.continuation_end - self.continuation_start
        if clip <= 0:
            raise RequestError(
                f"continuation_end is {self.continuation_end:g} s, but must be after "
                f"continuation_start ({self.continuation_start:g} s); "
                "move one of them, or leave the end out"
            )
        if clip >= self.duration:
            raise RequestError(
                f"duration is {self.duration:g} s, but must be longer than the continued clip of "
                f"{clip:g} s, which it includes; raise duration, or end the clip sooner"
            )

    def _check_sampling(self) -> None:
        if self.top_k == 0 and self.top_p == 0 and self.temperature > 0:
            raise RequestError(
                "top_k is 0 and top_p is 0.0, but sampling needs one of them above 0; "
                "set top_k (its default is 250), or top_p, or temperature 0 for no sampling at all"
            )


def fields_of(request: type[Any]) -> tuple[FieldSpec, ...]:
    """The fields of a request class, in the order of their declaration.

    Annotations are read as they stand, so a module that declares a request must not defer them
    with `from __future__ import annotations`.
    """
    return tuple(_spec(item.name, item.type, item.default) for item in fields(request))


def max_duration() -> float:
    """The longest `duration` that is accepted, in seconds; `SONGLOOM_MAX_DURATION` sets it.

    Raises:
        RequestError: the variable does not hold a positive number.
    """
    text = os.environ.get(MAX_DURATION_VARIABLE, "").strip()
    if not text:
        return DEFAULT_MAX_DURATION
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise RequestError(
            f"{MAX_DURATION_VARIABLE} is {text!r}, but must be a number of seconds above 0; "
            f"correct it, or unset it for the default ({DEFAULT_MAX_DURATION:g})"
        )
    return seconds


def _spec(name: str, annotation: Any, default: Any) -> FieldSpec:
    declared, option = get_args(annotation)
    optional = NoneType in get_args(declared)
    if optional:
        declared = next(kind for kind in get_args(declared) if kind is not NoneType)
    choices: tuple[str, ...] = get_args(declared) if get_origin(declared) is Literal else ()
    return FieldSpec(name, str if choices else declared, default, option, choices, optional)


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
