"""Typed progress events: what long work reports, whoever is watching (terminal, HTTP, nobody)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class GenerationProgress:
    """How far a call to `generate` has come, summed over its requests."""

    seconds_done: float
    """Seconds of audio whose tokens are decided."""
    seconds_total: float
    """Seconds of audio that have to be generated (prompts of continuations not counted)."""


@dataclass(frozen=True)
class DiffusionProgress:
    """How far the decoding by multi-band diffusion has come, summed over a call's requests."""

    seconds_done: float
    """Seconds of audio that would have been decoded by the work done, all steps counting alike."""
    seconds_total: float


@dataclass(frozen=True)
class DownloadProgress:
    """How much of a model's files has arrived."""

    model: str
    bytes_done: int
    bytes_total: int


@dataclass(frozen=True)
class PrepareProgress:
    """How much of the songs is prepared."""

    songs_done: int
    songs_total: int
    seconds_done: float
    """Seconds of audio that are prepared."""
    seconds_total: float | None
    """Seconds of audio in all; None while they are not known."""
    song: str
    """The song that was finished last; empty before the first."""


@dataclass(frozen=True)
class TrainingProgress:
    """One update of the weights."""

    step: int
    """Updates done."""
    steps: int
    """Updates to do in all."""
    loss: float
    """Cross-entropy in nats, averaged over the codebooks."""
    learning_rate: float
    """As it was in this update (for an adaptive optimiser, the rate that it found)."""
    gradient_norm: float
    """Before clipping."""
    frames_per_second: float
    """Frames of tokens trained on, a second."""
    seconds_left: float


@dataclass(frozen=True)
class ValidationProgress:
    """The loss on songs that are held out from training."""

    step: int
    loss: float
    per_codebook: tuple[float, ...]
    best: bool
    """Whether no earlier one was as low."""


@dataclass(frozen=True)
class Stage:
    """A long piece of work enters its next part."""

    name: str
    """In words: "preparing songs", "training", ..."""


@dataclass(frozen=True)
class Notice:
    """Something that a person should know, and that stops nothing."""

    text: str


ProgressEvent = (
    GenerationProgress
    | DiffusionProgress
    | DownloadProgress
    | PrepareProgress
    | TrainingProgress
    | ValidationProgress
    | Stage
    | Notice
)
ProgressCallback = Callable[[ProgressEvent], None]
