"""What long stages share: a clock, a log, and files that are whole or not there."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

GoesOn = Callable[[int], bool]
"""Whether a training goes on after so many steps; it is asked before each."""


def forever(step: int) -> bool:
    """Until the schedule ends."""
    del step
    return True


def before(last: int | None) -> GoesOn:
    """Until some step; None is forever."""
    return forever if last is None else lambda step: step < last


def within(seconds: float) -> GoesOn:
    """For some seconds from now."""
    end = time.monotonic() + seconds
    return lambda _: time.monotonic() < end


class Clock:
    """Processor time of a stage, over all its runs, so that being interrupted does not count.

    Args:
        spent: seconds that earlier runs took.
    """

    def __init__(self, spent: float = 0.0) -> None:
        self._start = time.process_time() - spent

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return time.process_time() - self._start


class Log:
    """A file of progress lines, on the terminal too; a quiet one writes nothing."""

    def __init__(self, path: Path, quiet: bool = False) -> None:
        self._path, self._quiet = path, quiet

    def write(self, line: str) -> None:
        """Add a line, with the time of day."""
        if self._quiet:
            return
        stamped = f"{time.strftime('%H:%M:%S')} {line}"
        print(stamped, flush=True)
        with self._path.open("a") as file:
            file.write(stamped + "\n")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a training state so that a kill leaves the last whole one."""
    unfinished = path.with_suffix(".part")
    torch.save(state, unfinished)
    unfinished.replace(path)


def load_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any] | None:
    """Read what `save_checkpoint` wrote; None where there is nothing."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state
