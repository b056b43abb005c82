"""Requests for music. Each field is declared once; `training_request` has those for training.

Names, order and meaning are those of the hosted `sakemin/musicgen-fine-tuner`, whose inputs come
first; where a default differs, the documentation says why.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from songloom.errors import RequestError
from songloom.fields import Option, Request

NormalizationStrategy = Literal["loudness", "clip", "peak", "rms"]
OutputFormat = Literal["wav", "mp3", "flac", "ogg"]
MelodyStems = Literal["none", "harmonic", "demucs"]

MAX_TEXT_CHARACTERS = 10_000
"""Of a description: about four times what a model reads, whatever the language."""
MAX_DURATION_VARIABLE = "SONGLOOM_MAX_DURATION"
DEFAULT_MAX_DURATION = 600.0
SMALLEST_SAMPLING_VALUE, LARGEST_SAMPLING_VALUE = 1e-6, 1000.0
"""Bounds of temperature and guidance, between which logits in float32 stay finite."""


@dataclass(frozen=True)
class GenerationRequest(Request):
    """One piece of music to generate.

    Values are checked when the request is made, so one in hand is well-formed. What depends on the
    audio file or on the model (a start beyond the file's end, a melody for a text-only model) is
    checked by the engine.

    Raises:
        RequestError: a value or a combination of values is invalid.
    """

    prompt: Annotated[
        str, Option("A description of the music to generate.", longest=MAX_TEXT_CHARACTERS)
    ] = ""
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
        super().__post_init__()
        self._check_duration()
        self._check_inputs()
        self._check_sampling()

    def _check_duration(self) -> None:
        longest = max_duration()
        if self.duration > longest:
            raise RequestError(
                f"duration is {self.duration:g} s, but at most {longest:g} s are allowed; "
                f"ask for less, or set {MAX_DURATION_VARIABLE} to a higher limit",
                field="duration",
            )

    def _check_inputs(self) -> None:
        if not self.prompt.strip() and self.input_audio is None and self.melody_audio is None:
            raise RequestError(
                f"prompt is {self.prompt!r} and no input_audio is given, but one is needed; "
                "describe the music, or give an audio file",
                field="prompt",
            )
        if not self.continuation:
            if self.input_audio is not None and self.melody_audio is not None:
                raise RequestError(
                    f"input_audio ({self.input_audio}) and melody_audio ({self.melody_audio}) are "
                    "both melodies to follow, but one is expected; "
                    "turn continuation on to continue the first, or leave one out",
                    field="input_audio",
                )
            return
        if self.input_audio is None:
            raise RequestError(
                "continuation is on, but there is no input_audio to continue; "
                "give an audio file, or turn continuation off",
                field="continuation",
            )
        if self.continuation_end is None:
            return
        clip = self.continuation_end - self.continuation_start
        if clip <= 0:
            raise RequestError(
                f"continuation_end is {self.continuation_end:g} s, but must be after "
                f"continuation_start ({self.continuation_start:g} s); "
                "move one of them, or leave the end out",
                field="continuation_end",
            )
        if clip >= self.duration:
            raise RequestError(
                f"duration is {self.duration:g} s, but must be longer than the continued clip of "
                f"{clip:g} s, which it includes; raise duration, or end the clip sooner",
                field="duration",
            )

    def _check_sampling(self) -> None:
        for name in ("temperature", "classifier_free_guidance"):
            value = getattr(self, name)
            if value > LARGEST_SAMPLING_VALUE or 0 < value < SMALLEST_SAMPLING_VALUE:
                raise RequestError(
                    f"{name} is {value!r}, but must be 0, or from {SMALLEST_SAMPLING_VALUE:g} to "
                    f"{LARGEST_SAMPLING_VALUE:g}; arithmetic with it would not stay finite, so "
                    "choose a usual value, such as 1 to 5",
                    field=name,
                )
        if self.top_k == 0 and self.top_p == 0 and self.temperature > 0:
            raise RequestError(
                "top_k is 0 and top_p is 0.0, but sampling needs one of them above 0; "
                "set top_k (its default is 250), or top_p, or temperature 0 for no sampling at all",
                field="top_k",
            )


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
