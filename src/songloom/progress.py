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
class DownloadProgress:
    """How much of a model's files has arrived."""

    model: str
    bytes_done: int
    bytes_total: int


ProgressEvent = GenerationProgress | DownloadProgress
ProgressCallback = Callable[[ProgressEvent], None]
