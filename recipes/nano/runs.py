"""What long stages share: a wall-clock budget, a log, and files that are whole or not there."""

import time
from pathlib import Path
from typing import Any

import torch


class Clock:
    """Wall-clock time of a stage, over all its runs.

    Args:
        budget: seconds in all.
        spent: seconds that earlier runs took.
    """

    def __init__(self, budget: float, spent: float = 0.0) -> None:
        self._budget = budget
        self._start = time.monotonic() - spent

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return time.monotonic() - self._start

    @property
    def share(self) -> float:
        """Of the budget, 0 at the start; 1 and above when it is used up."""
        return self.seconds / self._budget


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
