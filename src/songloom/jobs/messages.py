"""Work for an executor, the events that it reports, and its interface.

The one executor so far runs worker processes on this machine (`supervisor`). Another, for a cluster
say, has the same methods.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from songloom.jobs.store.records import JobKind


@dataclass(frozen=True)
class Work:
    """One job, ready to run: every file that it needs is on this machine."""

    id: str
    kind: JobKind
    request: Mapping[str, Any]
    """Fields of a `GenerationRequest` or a `TrainingRequest`."""
    model: str
    """A model's name or path, which a prediction loads."""
    folder: Path
    """Where results are written; it exists."""
    base: str | None = None
    """See `songloom.load`."""
    count: int = 1
    """Takes of a prediction: seed, seed + 1, ..."""
    alone: bool = False
    """Whether nothing may share a batch with it: it may have brought a batch down before."""
    isolated: bool = False
    """Whether nothing may share a process with it: it may have brought a worker down before."""
    listen: bool = False
    """Whether someone listens already: see `Executor.listen`."""


@dataclass(frozen=True)
class Started:
    """Work began."""

    id: str


@dataclass(frozen=True)
class Opened:
    """A worker turns to work: if the process ends from now on, that may be this work's doing."""

    id: str


@dataclass(frozen=True)
class Progressed:
    """How far work has come."""

    id: str
    done: int
    """In `unit`s; a whole number, since clients read it out of a log line."""
    total: int
    unit: str
    """`frames` (of audio), `updates` (of a training), `songs` or `bytes`."""
    stage: str = ""
    """Name of the current part, where a job has several."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Measurements: `loss`, `learning_rate`, `held_out_loss`, `seconds_left`, ..."""


@dataclass(frozen=True)
class Logged:
    """A line for the job's log."""

    id: str
    text: str


@dataclass(frozen=True)
class Previewed:
    """More audio of a prediction can be heard: its stream file has grown."""

    id: str
    seconds: float
    """Audio in the stream so far."""


@dataclass(frozen=True)
class Sampled:
    """A training has generated a clip on its way."""

    id: str
    step: int
    """Updates that were made by then."""
    prompt: str
    file: str
    """Its name in the work's folder."""


@dataclass(frozen=True)
class Succeeded:
    """Work is done."""

    id: str
    files: tuple[str, ...]
    """Names within the work's folder, the results in their order."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further data about the result: a training's `model`."""


@dataclass(frozen=True)
class Failed:
    """Work can't be done; the error is for the person who asked."""

    id: str
    error: str


@dataclass(frozen=True)
class Stopped:
    """Work was cancelled, or given back through no fault of its own: it was never tried."""

    id: str


@dataclass(frozen=True)
class Lost:
    """Work broke off, or its process ended; it can be run again."""

    id: str
    reason: str
    shared: bool = False
    """Whether other work broke off with it: any of them may be the culprit."""
    process_ended: bool = False
    """Whether the process is gone, so that the work must not share one again."""


@dataclass(frozen=True)
class WorkerReady:
    """A worker can take work."""

    device: str
    means: str = ""
    """PyTorch's name of the device: `cpu`, `cuda`, `cuda:1`, where `device` may be `auto`."""
    description: str = ""
    """The device's name for people: "NVIDIA H100 80GB HBM3", "CPU, 8 threads"."""
    memory_bytes: int = 0
    """All that it has; 0 if unknown."""


@dataclass(frozen=True)
class WorkerGone:
    """A worker can take no work until it is ready again."""

    device: str


@dataclass(frozen=True)
class WorkerFreed:
    """There is room for more work on a device."""

    device: str


@dataclass(frozen=True)
class WorkerStats:
    """A worker's statistics since its previous report."""

    device: str
    steps: int
    """Token steps."""
    tokens: int
    """Rows, summed over these steps."""
    rows: int
    """Rows being decoded at the moment: a prediction with guidance has two."""
    memory_bytes: int
    """Resident memory, or, on a GPU, what is allocated there."""


WorkEvent = (
    Started
    | Opened
    | Progressed
    | Logged
    | Previewed
    | Sampled
    | Succeeded
    | Failed
    | Stopped
    | Lost
    | WorkerReady
    | WorkerGone
    | WorkerFreed
    | WorkerStats
)


class Executor(Protocol):
    """Runs work, several pieces at once."""

    async def start(self) -> None:
        """Start; `WorkerReady` reports each device that can take work."""

    def free_slots(self, kind: JobKind) -> int:
        """How many more jobs of a kind could start at once."""

    async def submit(self, work: Work) -> None:
        """Accept work, whose outcome `events` reports. Isolated work needs no free slot."""

    async def cancel(self, id: str) -> None:
        """Stop work soon; reports `Stopped` unless it ended before. Unknown ids are ignored."""

    async def listen(self, id: str) -> None:
        """Write audio to the work's stream file while it is generated; reports `Previewed`."""

    def events(self) -> AsyncIterator[WorkEvent]:
        """Yield events as they happen, until the executor is closed; for one reader."""

    async def close(self) -> None:
        """End all processes; running trainings save their state first."""


@dataclass(frozen=True)
class Cancel:
    """Stop this work."""

    id: str


@dataclass(frozen=True)
class Listen:
    """Write this work's audio to its stream file."""

    id: str


@dataclass(frozen=True)
class Close:
    """Save what can be gone on with, and end."""


Command = Work | Cancel | Listen | Close
_COMMANDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Work, Cancel, Listen, Close)}
_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Started, Progressed, Logged, Previewed, Sampled, Succeeded, Failed, Stopped, Lost,
        Opened, WorkerReady, WorkerStats,
    )
}  # fmt: skip


def encode(message: Command | WorkEvent) -> bytes:
    """A message as a line, its end included."""
    fields = {"is": type(message).__name__, **asdict(message)}
    return json.dumps(fields, default=str).encode() + b"\n"


def decode_command(line: bytes) -> Command:
    """The command of a line; raises `ValueError` for what is none."""
    command: Command = _decode(line, _COMMANDS)
    return replace(command, folder=Path(command.folder)) if isinstance(command, Work) else command


def decode_event(line: bytes) -> WorkEvent:
    """The event of a line; raises `ValueError` for what is none."""
    event: WorkEvent = _decode(line, _EVENTS)
    return replace(event, files=tuple(event.files)) if isinstance(event, Succeeded) else event


def _decode(line: bytes, kinds: dict[str, type[Any]]) -> Any:
    try:
        fields = json.loads(line)
        return kinds[fields.pop("is")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a message: {line[:200]!r}") from error
