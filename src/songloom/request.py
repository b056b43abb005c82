"""Requests: music, a data set, a training. Each field is declared once.

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
Tagger = Literal["none", "effnet", "clap"]
VocalSeparator = Literal["auto", "demucs", "builtin"]
OptimizerName = Literal["dadam", "adamw", "adafactor"]
SchedulerName = Literal[
    "exponential", "cosine", "polynomial_decay", "inverse_sqrt", "linear_warmup"
]
LoraTargets = Literal["attention", "layers", "all"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Checkpointing = Literal["auto", "on", "off"]
Keep = Literal["best", "last"]

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
        for name in ("temperature", "classifier_free_guidance"):
            value = getattr(self, name)
            if value > LARGEST_SAMPLING_VALUE or 0 < value < SMALLEST_SAMPLING_VALUE:
                raise RequestError(
                    f"{name} is {value!r}, but must be 0, or from {SMALLEST_SAMPLING_VALUE:g} to "
                    f"{LARGEST_SAMPLING_VALUE:g}; arithmetic with it would not stay finite, so "
                    "choose a usual value, such as 1 to 5"
                )
        if self.top_k == 0 and self.top_p == 0 and self.temperature > 0:
            raise RequestError(
                "top_k is 0 and top_p is 0.0, but sampling needs one of them above 0; "
                "set top_k (its default is 250), or top_p, or temperature 0 for no sampling at all"
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


@dataclass(frozen=True)
class PrepareRequest(Request):
    """Songs to make a data set of.

    Raises:
        RequestError: a value is invalid.
    """

    dataset_path: Annotated[
        Path,
        Option(
            "Songs to learn from: a folder, an archive (zip, tar, tar.gz, tgz), a single audio "
            "file, or a data set that was prepared before."
        ),
    ]
    auto_labeling: Annotated[
        bool,
        Option("Label each song by analysis: tempo, key, dynamics, with or without voice."),
    ] = True
    drop_vocals: Annotated[bool, Option("Remove the vocals before learning from the songs.")] = (
        False
    )
    one_same_description: Annotated[
        str | None,
        Option(
            "A description for all songs that have none of their own beside them.",
            longest=MAX_TEXT_CHARACTERS,
        ),
    ] = None
    model_version: Annotated[
        str, Option("Model to train: a name that `songloom models` lists, a hub id, or a folder.")
    ] = "nano"
    labels: Annotated[
        Path | None,
        Option("A CSV file of labels and captions, with a column `file`; it wins over analysis."),
    ] = None
    tagger: Annotated[
        Tagger,
        Option(
            "Model that tells genre, mood and instruments: none, effnet (Discogs-EffNet; an "
            "extra), or clap (an extra)."
        ),
    ] = "none"
    labels_optional: Annotated[
        bool, Option("Go on without a tagger that cannot be loaded, instead of stopping.")
    ] = False
    vocal_separator: Annotated[
        VocalSeparator,
        Option(
            "What removes vocals: demucs (a program of its own), builtin (weaker, no download), "
            "or auto (demucs where it is installed)."
        ),
    ] = "auto"
    held_out: Annotated[
        float,
        Option(
            "Share of the songs that is kept from training to measure on; of fewer than four, "
            "none is.",
            minimum=0,
            maximum=0.5,
        ),
    ] = 0.1
    processes: Annotated[
        int | None,
        Option("Songs to prepare in parallel (default: one per CPU core).", minimum=1),
    ] = None


@dataclass(frozen=True)
class TrainingRequest(PrepareRequest):
    """A model to fine-tune on songs.

    Raises:
        RequestError: a value or a combination of values is invalid.
    """

    def __post_init__(self) -> None:
        """Bring every value into its declared type, then check the pieces that are compared."""
        super().__post_init__()
        longest = max_duration()
        # The default is no wish of anyone's: its pieces are as long as they may be.
        asked = self.previews > 0 and self.preview_seconds != TrainingRequest.preview_seconds
        if asked and self.preview_seconds > longest:
            raise RequestError(
                f"preview_seconds is {self.preview_seconds:g} s, but at most {longest:g} s are "
                f"allowed; ask for less, or set {MAX_DURATION_VARIABLE} to a higher limit"
            )

    name: Annotated[
        str | None,
        Option("Name of the new model (default: named after the songs)."),
    ] = None
    epochs: Annotated[int, Option("Epochs to train for.", minimum=1, affects_result=True)] = 3
    updates_per_epoch: Annotated[
        int, Option("Updates of the weights in one epoch.", minimum=1, affects_result=True)
    ] = 100
    batch_size: Annotated[
        int, Option("Windows of music in one update.", minimum=1, affects_result=True)
    ] = 16
    optimizer: Annotated[
        OptimizerName,
        Option(
            "dadam (finds its own learning rate), adamw, or adafactor (the least memory).",
            affects_result=True,
        ),
    ] = "dadam"
    lr: Annotated[
        float | None,
        Option(
            "Learning rate (default: the optimizer's own: 1 for dadam, a factor on what it finds; "
            "for the others one that suits LoRA or full training).",
            above=0,
            affects_result=True,
        ),
    ] = None
    lr_scheduler: Annotated[
        SchedulerName,
        Option("How the learning rate changes after the warm-up.", affects_result=True),
    ] = "cosine"
    warmup: Annotated[
        int,
        Option("Updates in which the learning rate rises from 0.", minimum=0, affects_result=True),
    ] = 8
    cfg_p: Annotated[
        float,
        Option(
            "Share of windows that are trained without text and melody, which guidance needs.",
            minimum=0,
            maximum=1,
            affects_result=True,
        ),
    ] = 0.3
    full: Annotated[
        bool,
        Option(
            "Train all weights of the language model instead of a LoRA adapter.",
            affects_result=True,
        ),
    ] = False
    lora_rank: Annotated[
        int,
        Option(
            "Rank of the adapter: how much it can learn, and how large it is.",
            minimum=1,
            affects_result=True,
        ),
    ] = 16
    lora_alpha: Annotated[
        float | None,
        Option(
            "Strength of the adapter: its product is scaled by alpha / rank (default: twice "
            "the rank).",
            above=0,
            affects_result=True,
        ),
    ] = None
    lora_targets: Annotated[
        LoraTargets,
        Option(
            "Layers that the adapter changes: attention, layers (attention and feed-forward), or "
            "all (also what reads the conditions, and the output).",
            affects_result=True,
        ),
    ] = "layers"
    adapt_decoder: Annotated[
        bool | None,
        Option(
            "Tune the codec's decoder on the songs first, so that tokens sound more like them; "
            "none does where the codec is small, as nano's is, and it helps.",
            affects_result=True,
        ),
    ] = None
    lora_dropout: Annotated[
        float,
        Option("Dropout at the adapter's input.", minimum=0, maximum=0.9, affects_result=True),
    ] = 0.0
    weight_decay: Annotated[
        float, Option("Weight decay of the optimizer.", minimum=0, affects_result=True)
    ] = 0.0
    max_grad_norm: Annotated[
        float,
        Option(
            "Gradients are scaled down to this norm; 0 leaves them.", minimum=0, affects_result=True
        ),
    ] = 1.0
    ema_decay: Annotated[
        float,
        Option(
            "Decay of an average of the weights, which is then kept in their place; 0 is none.",
            minimum=0,
            maximum=0.99999,
            affects_result=True,
        ),
    ] = 0.0
    window_seconds: Annotated[
        float | None,
        Option(
            "Seconds of music in a window (default: the longest that the model sees).",
            above=0,
            affects_result=True,
        ),
    ] = None
    precision: Annotated[
        Precision,
        Option(
            "Precision of the arithmetic; auto is bfloat16 on a GPU that has it, else float32.",
            affects_result=True,
        ),
    ] = "auto"
    micro_batch: Annotated[
        int | None,
        Option(
            "Windows computed at once, the rest of a batch after them (default: as many as fit "
            "into memory). It does not change the result.",
            minimum=1,
        ),
    ] = None
    gradient_checkpointing: Annotated[
        Checkpointing,
        Option("Save memory by computing layers twice: on, off, or auto (where memory is short)."),
    ] = "auto"
    validate_every: Annotated[
        int | None,
        Option(
            "Updates between measurements on held-out songs (default: one epoch).",
            minimum=1,
            affects_result=True,
        ),
    ] = None
    patience: Annotated[
        int | None,
        Option("Stop after so many measurements without improvement; none never does.", minimum=1),
    ] = None
    keep: Annotated[
        Keep, Option("Which weights become the model: best (on held-out songs), or last.")
    ] = "best"
    save_minutes: Annotated[
        float, Option("Minutes between saved states, from which training resumes.", minimum=0)
    ] = 5.0
    max_minutes: Annotated[
        float | None,
        Option(
            "Stop training after so many minutes, and make a model of what was learned until then.",
            above=0,
        ),
    ] = None
    previews: Annotated[
        int, Option("Pieces that are generated before and after, for the report.", minimum=0)
    ] = 2
    preview_seconds: Annotated[float, Option("Length of these pieces in seconds.", above=0)] = 8.0
    preview_every: Annotated[
        int | None,
        Option(
            "Updates between clips of 5 s that are generated while it trains; none makes none.",
            minimum=1,
        ),
    ] = None
    seed: Annotated[
        int,
        Option(
            "Decides all that is drawn at random.",
            minimum=0,
            maximum=2**63 - 1,
            affects_result=True,
        ),
    ] = 0
    device: Annotated[
        str,
        Option("Where to compute: cpu, cuda, mps, or auto (CUDA where there is one, else CPU)."),
    ] = "auto"

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.epochs * self.updates_per_epoch
