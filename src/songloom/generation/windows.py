"""Long form: music longer than the model's window is decoded in windows that overlap.

As in the reference, a window begins `stride` after the last one and takes over what they share as
its prompt, so tokens follow tokens and nothing is joined in the audio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A stretch of a piece, in frames from its beginning."""

    start: int
    known: int
    """Frames from `start` that are decided already: the window's prompt."""
    frames: int
    """Length of the window, the prompt included."""

    @property
    def end(self) -> int:
        """Frame after the last."""
        return self.start + self.frames


def windows(total: int, known: int, window: int, stride: int) -> Iterator[Window]:
    """Windows that take a piece from its first `known` frames to `total`.

    Args:
        total: frames of the piece.
        known: frames that are given, fewer than `total`.
        window: frames that the model can see at once.
        stride: frames from one window's beginning to the next's.
    """
    start, done = 0, known
    keep = window - stride
    while done < total:
        if done >= start + window:
            start = done - keep
        yield Window(start, done - start, min(window, total - start))
        done = min(start + window, total)
