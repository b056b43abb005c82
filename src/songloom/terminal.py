"""What a person sees in a terminal: progress bars on standard error, and tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from songloom.progress import (
    DownloadProgress,
    GenerationProgress,
    ProgressCallback,
    ProgressEvent,
)

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def progress_bars(waiting: str) -> Iterator[ProgressCallback]:
    """Yield a callback that draws progress on standard error, or nothing where that is no terminal.

    Args:
        waiting: what to show until the first event arrives, such as "loading nano".
    """
    if not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        yield _Bars(bars, waiting)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns on standard output, never cut where that is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        drawn.add_row(*row)
    width = None if sys.stdout.isatty() else 10_000  # the table takes what it needs of it
    Console(width=width).print(drawn)


def _ignore(event: ProgressEvent) -> None:
    pass


class _Bars:
    """Turns events into one bar: what is awaited, then downloads, then seconds of audio."""

    def __init__(self, bars: Progress, waiting: str) -> None:
        self._bars = bars
        self._task = bars.add_task(waiting, total=None, state="")
        self._generating_since: tuple[float, float] | None = None

    def __call__(self, event: ProgressEvent) -> None:
        match event:
            case DownloadProgress(model, done, total):
                state = f"{done / 1e6:.0f}/{total / 1e6:.0f} MB"
                self._bars.update(
                    self._task,
                    description=f"downloading {model}",
                    completed=done,
                    total=total or None,
                    state=state,
                )
            case GenerationProgress(done, total):
                self._bars.update(
                    self._task,
                    description="generating",
                    completed=done,
                    total=total,
                    state=f"{done:.1f}/{total:.1f} s{self._speed(done)}",
                )

    def _speed(self, seconds_done: float) -> str:
        now = monotonic()
        if self._generating_since is None:
            # The bar starts anew: what was loaded or downloaded says nothing about the time left.
            self._bars.reset(self._task)
            self._generating_since = (now, seconds_done)
        since, first = self._generating_since
        return f", {(seconds_done - first) / (now - since):.1f}x real time" if now > since else ""
