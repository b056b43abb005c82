"""What happens to a job, told as it happens."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from songloom.jobs.messages import Logged, Previewed, Progressed, Sampled, Started, WorkEvent
from songloom.jobs.store.records import Job
from songloom.server import streams
from songloom.server.streams import client_events, growing_audio, job_events, server_sent

T = TypeVar("T")

WAITING = Job("j1", "prediction", "replicate", {"prompt": "bells"}, "nano")
RUNNING = replace(WAITING, status="processing")
DONE = replace(
    RUNNING, status="succeeded", logs="seed 3\nwritten\n", output={"files": ["output.wav"]}
)


@dataclass
class Scripted:
    """A dispatcher that tells what it is given to tell; some of it writes audio first."""

    script: list[WorkEvent | Job]
    path: Path = Path()
    audio: dict[int, bytes] = field(default_factory=dict)
    """What the stream file grows by, before which event."""
    listened: int = 0
    closed: bool = False

    async def watch(self, id: str) -> AsyncGenerator[WorkEvent | Job, None]:
        try:
            for number, event in enumerate(self.script):
                with self.path.joinpath("stream.mp3").open("ab") as file:
                    file.write(self.audio.get(number, b""))
                await asyncio.sleep(0)
                yield event
        finally:
            self.closed = True

    async def listen(self, id: str) -> None:
        self.listened += 1

    def folder(self, id: str) -> Path:
        return self.path


def rendered(job: Job) -> dict[str, Any]:
    files = job.output["files"] if job.output else []
    urls = [f"http://here/{name}" for name in files]
    return {"status": job.status, "logs": job.logs, "output": urls[0] if len(urls) == 1 else urls}


def all_of(stream: AsyncIterator[T]) -> list[T]:
    async def listed() -> list[T]:
        return [item async for item in stream]

    return asyncio.run(listed())


def test_events_tell_state_progress_log_and_preview(tmp_path: Path) -> None:
    script = [
        WAITING,
        Started("j1"),
        RUNNING,
        Logged("j1", "seed 3"),
        Progressed("j1", 100, 400, "frames", "generating", {"seconds_left": 3.0}),
        Previewed("j1", 2.0),
        DONE,
    ]
    told = all_of(job_events(Scripted(script, tmp_path), "j1", rendered))
    assert [name for name, _ in told] == [
        "status",
        "status",
        "log",
        "progress",
        "preview",
        "status",
    ]
    assert [data["status"] for name, data in told if name == "status"] == [
        "starting",
        "processing",
        "succeeded",
    ]
    assert told[2][1] == {"text": "seed 3"}
    assert told[3][1] == {
        "done": 100,
        "total": 400,
        "unit": "frames",
        "stage": "generating",
        "share": 0.25,
        "values": {"seconds_left": 3.0},
    }
    assert told[4][1] == {"seconds": 2.0}
    assert told[5][1]["output"] == "http://here/output.wav"


def test_a_training_s_clips_are_told_with_their_urls(tmp_path: Path) -> None:
    script = [RUNNING, Sampled("j1", 20, "a waltz", "preview-20.mp3"), DONE]
    link = "https://here".__add__
    told = all_of(job_events(Scripted(script, tmp_path), "j1", rendered, link))
    url = "https://here/v1/trainings/j1/files/preview-20.mp3"
    assert told[1] == ("preview", {"step": 20, "prompt": "a waltz", "url": url})


def test_clients_hear_their_own_words(tmp_path: Path) -> None:
    script = [replace(RUNNING, logs="seed 3\n"), Progressed("j1", 1, 2, "frames"), DONE]
    assert all_of(client_events(Scripted(script, tmp_path), "j1", rendered)) == [
        ("logs", "seed 3\n"),
        ("output", "http://here/output.wav"),
        ("done", {}),
    ]


def test_clients_hear_lines_as_they_come_and_every_output(tmp_path: Path) -> None:
    ended = replace(DONE, output={"files": ["output-1.wav", "output-2.wav"]})
    script = [WAITING, Logged("j1", "seed 3"), Logged("j1", "written"), ended]
    assert all_of(client_events(Scripted(script, tmp_path), "j1", rendered)) == [
        ("logs", "seed 3\n"),
        ("logs", "written\n"),
        ("output", "http://here/output-1.wav"),
        ("output", "http://here/output-2.wav"),
        ("done", {}),
    ]


@pytest.mark.parametrize(
    ("status", "last"),
    [
        ("failed", [("error", {"detail": "no room"}), ("done", {"reason": "error"})]),
        ("canceled", [("done", {"reason": "canceled"})]),
    ],
)
def test_clients_hear_why_it_ended(status: Any, last: list[Any], tmp_path: Path) -> None:
    ended = replace(RUNNING, status=status, error="no room" if status == "failed" else None)
    assert all_of(client_events(Scripted([ended], tmp_path), "j1", rendered)) == last


async def two_events(seconds_between: float) -> AsyncIterator[streams.Event]:
    yield "log", {"text": "one\ntwo"}
    await asyncio.sleep(seconds_between)
    yield "logs", "one\ntwo\n"


def test_events_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all_of(server_sent(two_events(0))) == [
        b'event: log\ndata: {"text": "one\\ntwo"}\nid: 1\n\n',
        b"event: logs\ndata: one\ndata: two\ndata: \nid: 2\n\n",
    ]
    monkeypatch.setattr(streams, "PING_SECONDS", 0.02)
    told = all_of(server_sent(two_events(0.5)))
    pings = [piece for piece in told if piece.startswith(b":")]
    assert len(told) == 2 + len(pings)
    assert 2 <= len(pings) <= 25


def test_a_watcher_that_goes_away_is_forgotten(tmp_path: Path) -> None:
    async def forever() -> AsyncGenerator[WorkEvent | Job, None]:
        try:
            yield RUNNING
            await asyncio.Event().wait()
        finally:
            dispatcher.closed = True

    async def leave_early() -> None:
        told = server_sent(job_events(dispatcher, "j1", rendered))
        first = await anext(told)
        assert json.loads(first.split(b"data: ")[1].split(b"\n")[0])["status"] == "processing"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(told), 0.02)
        await asyncio.sleep(0.01)

    dispatcher = Scripted([], tmp_path)
    dispatcher.watch = lambda id: forever()  # type: ignore[method-assign]
    asyncio.run(leave_early())
    assert dispatcher.closed


def test_audio_is_passed_on_while_it_grows(tmp_path: Path) -> None:
    script = [WAITING, Started("j1"), RUNNING, Previewed("j1", 1.0), Previewed("j1", 2.0), DONE]
    dispatcher = Scripted(script, tmp_path, {3: b"one ", 4: b"two ", 5: b"three"})
    assert all_of(growing_audio(dispatcher, "j1")) == [b"one ", b"two ", b"three"]
    # Where it still waited nobody could listen yet, so it is asked for again.
    assert dispatcher.listened == 2


def test_audio_that_is_there_already_comes_first(tmp_path: Path) -> None:
    (tmp_path / "stream.mp3").write_bytes(b"a" * 100_000)
    dispatcher = Scripted([RUNNING, DONE], tmp_path, {1: b"b"})
    pieces = all_of(growing_audio(dispatcher, "j1"))
    assert b"".join(pieces) == b"a" * 100_000 + b"b"
    assert max(map(len, pieces)) <= 65536


def test_audio_of_what_nobody_heard_is_none(tmp_path: Path) -> None:
    assert all_of(growing_audio(Scripted([DONE], tmp_path), "j1")) == []
