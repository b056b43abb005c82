"""Between an executor and its processes: one JSON object a line, never a pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from songloom.jobs.messages import (
    Failed,
    Logged,
    Lost,
    Opened,
    Previewed,
    Progressed,
    Sampled,
    Started,
    Stopped,
    Succeeded,
    Work,
    WorkerReady,
    WorkerStats,
    WorkEvent,
)


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
