"""State of jobs that are prepared or run, their subscribers and their deadlines."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from songloom.clock import elapsed_seconds, utc_now
from songloom.jobs.messages import Progressed, Work
from songloom.jobs.store.records import Job, JobKind

E = TypeVar("E")

SHOWN_SECONDS = 1.0
"""Between two log lines about progress."""


@dataclass(eq=False)
class ActiveJob:
    """A job while it is prepared or runs."""

    kind: JobKind
    isolated: bool = False
    """Whether it must not share a process with others."""
    prepared: Work | None = None
    task: asyncio.Task[None] | None = None
    """Prepares it, or uploads its result."""
    submitted: bool = False
    cancel_requested: bool = False
    """Whether somebody asked to stop it while it was here."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while lines are written, so that they keep their order."""
    _began: float = field(default_factory=time.monotonic)
    _shown: float = 0.0
    _lines: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Count time from now on."""
        self._began = time.monotonic()

    def add_line(self, line: str) -> None:
        """Queue a line for the log."""
        self._lines.append(f"{line}\n")

    def log_progress(self, event: Progressed) -> None:
        """Log progress now and then, in the form that clients read it from."""
        moment = time.monotonic()
        if event.done < event.total and moment - self._shown < SHOWN_SECONDS:
            return
        self._shown = moment
        self.add_line(progress_line(event, moment - self._began))

    def take_lines(self) -> str:
        """Remove and return the lines that are not yet written."""
        text, self._lines = "".join(self._lines), []
        return text


class Watchers(Generic[E]):
    """Subscribers to things with ids, such as jobs, each with a queue of its own."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, set[asyncio.Queue[E]]] = defaultdict(set)

    def __len__(self) -> int:
        """Things that someone watches."""
        return len(self._queues)

    def notify(self, id: str, event: E) -> None:
        """Send an event to the subscribers of a thing."""
        for events in self._queues.get(id, ()):
            events.put_nowait(event)

    @contextmanager
    def subscribe(self, id: str) -> Iterator[asyncio.Queue[E]]:
        """A queue of a thing's events for as long as the block lasts."""
        events: asyncio.Queue[E] = asyncio.Queue()
        self._queues[id].add(events)
        try:
            yield events
        finally:
            self._queues[id].discard(events)
            if not self._queues[id]:
                del self._queues[id]


class Deadlines:
    """Calls when a job's time is up.

    Args:
        reached: called with the job's id.
    """

    def __init__(self, reached: Callable[[str], None]) -> None:
        self._reached = reached
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def watch(self, job: Job) -> None:
        """Watch a job's deadline, if it has one."""
        if job.cancel_after is None or job.ended:
            return
        # After a restart only the clock tells how long ago that was; it may have been set since.
        left = max(0.0, job.cancel_after - elapsed_seconds(job.created_at, utc_now()))
        loop = asyncio.get_running_loop()
        self._handles[job.id] = loop.call_later(left, self._reached, job.id)

    def forget(self, id: str) -> None:
        """Watch a job's deadline no more."""
        handle = self._handles.pop(id, None)
        if handle is not None:
            handle.cancel()

    def forget_all(self) -> None:
        """Watch none any more."""
        for id in list(self._handles):
            self.forget(id)


_WIDTH = 10


def progress_line(event: Progressed, seconds: float) -> str:
    """A line such as ` 45%|####5     | 180/400 [00:02<00:03, 80.0 frames/s]`.

    Args:
        event: how far the work is.
        seconds: since it began.
    """
    total = max(event.total, 1)
    share = min(event.done / total, 1.0)
    full, tenths = divmod(round(share * _WIDTH * 10), 10)
    bar = ("#" * full + (str(tenths) if tenths else "")).ljust(_WIDTH)
    rate = event.done / seconds if seconds > 0 else 0.0
    left = event.values.get("seconds_left", (total - event.done) / rate if rate else 0.0)
    measured = "".join(
        f", {name}={value:.4g}" for name, value in event.values.items() if name != "seconds_left"
    )
    stage = f" {event.stage}" if event.stage else ""
    return (
        f"{share:4.0%}|{bar}| {event.done}/{event.total} "
        f"[{_clock(seconds)}<{_clock(left)}, {rate:.1f} {event.unit}/s{measured}]{stage}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
