"""Requests for a data set and for a training. Each field is declared once, as in `request`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from songloom.errors import RequestError
from songloom.fields import Option, Request
from songloom.request import MAX_DURATION_VARIABLE, MAX_TEXT_CHARACTERS, max_duration

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
        bool, Option("Label each song by analysis: tempo, key, dynamics, with or without voice.")
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
        bool, Option("Continue without the tagger if it cannot be loaded, instead of stopping.")
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
            "Share of the songs that is held out of training, to measure on; with fewer than four "
            "songs, none are.",
            minimum=0,
            maximum=0.5,
        ),
    ] = 0.1
    processes: Annotated[
        int | None, Option("Songs to prepare in parallel (default: one per CPU core).", minimum=1)
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
                f"allowed; ask for less, or set {MAX_DURATION_VARIABLE} to a higher limit",
                field="preview_seconds",
            )

    name: Annotated[
        str | None, Option("Name of the new model (default: named after the songs).")
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
