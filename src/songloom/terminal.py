"""Terminal output: progress bars on standard error, and tables."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from songloom.progress import (
    DecoderProgress,
    DiffusionProgress,
    DownloadProgress,
    GenerationProgress,
    Notice,
    PrepareProgress,
    ProgressCallback,
    ProgressEvent,
    Stage,
    TrainingPreview,
    TrainingProgress,
    ValidationProgress,
)

if TYPE_CHECKING:
    from types import FrameType

    from rich.progress import Progress

_LINES_OF_A_TRAINING = 20
"""Lines about updates where there is no terminal to draw a bar in."""


@contextmanager
def progress_bars(waiting: str) -> Iterator[ProgressCallback]:
    """Yield a callback that draws progress on standard error; lines where that is no terminal.

    Args:
        waiting: what to show until the first event arrives, such as "loading nano".
    """
    if not sys.stderr.isatty():
        yield _print_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        """Estimated from the bar, where those who do the work do not know better."""

        def render(self, task: Task) -> Text:
            return Text("") if task.fields["knows_time_left"] else super().render(task)

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeLeft(compact=True),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        yield _Bars(bars, waiting)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns on standard output, never cut where that is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        drawn.add_row(*map(Text, row))  # a plain text's brackets would be taken for markup
    width = None if sys.stdout.isatty() else 10_000  # the table takes what it needs of it
    Console(width=width).print(drawn)


@contextmanager
def stop_on_interrupt(said: str) -> Iterator[Callable[[], bool]]:
    """Yield a flag that Ctrl-C raises, so that work can end where it can go on later.

    A second Ctrl-C ends the program at once.

    Args:
        said: what is told the person who presses it.
    """
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True
        print(f"\n{said}; press Ctrl-C again to leave at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _print_line(event: ProgressEvent) -> None:
    """Lines of a log about long work: its stages and measurements, and some updates."""
    line = _describe_event(event)
    if isinstance(event, TrainingProgress | DecoderProgress) and event.step % max(
        1, event.steps // _LINES_OF_A_TRAINING
    ):
        return
    if line:
        print(line, file=sys.stderr, flush=True)


def _describe_event(event: ProgressEvent) -> str:
    """An event as a line; empty for those that only move a bar."""
    match event:
        case Stage(name):
            return name
        case Notice(text):
            return f"note: {text}"
        case ValidationProgress(step, loss, per_codebook, best):
            books = ", ".join(f"{value:.3f}" for value in per_codebook)
            return f"update {step}: held-out loss {loss:.3f} ({books}){', the best' * best}"
        case TrainingProgress():
            return (
                f"update {event.step} of {event.steps}: loss {event.loss:.3f}, "
                f"{event.frames_per_second:.0f} frames/s, {_time(event.seconds_left)} left"
            )
        case DecoderProgress():
            return (
                f"step {event.step} of {event.steps} of the decoder: loss {event.loss:.3f}, "
                f"{_time(event.seconds_left)} left"
            )
        case TrainingPreview(step, _, path):
            return f"update {step}: a clip is in {path}"
        case PrepareProgress() if event.song:
            return f"{event.songs_done} of {event.songs_total} songs: {event.song!r}"
    return ""


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Bars:
    """Turns events into one bar, for whatever is going on, and lines above it that stay."""

    def __init__(self, bars: Progress, waiting: str) -> None:
        self._bars = bars
        self._task = bars.add_task(waiting, total=None, state="", knows_time_left=False)
        self._generating_since: tuple[float, float] | None = None
        self._decoding = False

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
            case DiffusionProgress(done, total):
                if not self._decoding:
                    # Other work: the time that generating took says nothing about what is left.
                    self._bars.reset(self._task)
                self._decoding = True
                self._bars.update(
                    self._task,
                    description="decoding by diffusion",
                    completed=done,
                    total=total,
                    state=f"{done:.1f}/{total:.1f} s",
                )
            case PrepareProgress():
                self._bars.update(
                    self._task,
                    description="preparing songs",
                    completed=event.seconds_done if event.seconds_total else event.songs_done,
                    total=event.seconds_total or event.songs_total,
                    state=f"{event.songs_done}/{event.songs_total} songs",
                )
            case DecoderProgress():
                self._bars.update(
                    self._task,
                    description="tuning the decoder",
                    completed=event.step,
                    total=event.steps,
                    state=f"{event.step}/{event.steps}, loss {event.loss:.3f}, "
                    f"{_time(event.seconds_left)} left",
                    knows_time_left=True,
                )
            case TrainingProgress():
                self._bars.update(
                    self._task,
                    description="training",
                    completed=event.step,
                    total=event.steps,
                    state=f"{event.step}/{event.steps}, loss {event.loss:.3f}, "
                    f"{event.frames_per_second:.0f} frames/s, {_time(event.seconds_left)} left",
                    knows_time_left=True,
                )
            case Stage(name):
                self._generating_since = None
                self._bars.reset(
                    self._task, description=name, total=None, state="", knows_time_left=False
                )
            case Notice() | ValidationProgress() | TrainingPreview():
                self._bars.console.print(_describe_event(event), markup=False, highlight=False)

    def _speed(self, seconds_done: float) -> str:
        now = monotonic()
        if self._generating_since is None:
            # The bar starts anew: what was loaded or downloaded says nothing about the time left.
            self._bars.reset(self._task)
            self._generating_since = (now, seconds_done)
        since, first = self._generating_since
        return f", {(seconds_done - first) / (now - since):.1f}x real time" if now > since else ""
