"""An executor that does what a prompt's words say, without a model."""

import asyncio
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path

from songloom.errors import AudioError
from songloom.jobs.messages import (
    Failed,
    Logged,
    Lost,
    Previewed,
    Progressed,
    Started,
    Stopped,
    Succeeded,
    Work,
    WorkerReady,
    WorkerStats,
    WorkEvent,
)
from songloom.jobs.store.records import JobKind
from songloom.server.datasets.analysis import Heard

RATE = 32_000


class FakeEar:
    """Hears at once what the first bytes of a song say; of `noise`, that it is none."""

    def __init__(self) -> None:
        self.heard: list[Path] = []

    async def listen(self, path: Path) -> Heard:
        self.heard.append(path)
        words = path.read_bytes()[:20].decode(errors="replace")
        if words.startswith("noise"):
            raise AudioError("it is silent: expected something to hear; leave it out")
        return Heard(len(words), {"bpm": 120.0, "key": "A minor", "dynamics": "quiet"})

    async def close(self) -> None:
        pass


class FakeExecutor:
    """Runs every work in a task of its own.

    Words of a prediction's prompt (of a training's `one_same_description`) that it knows: `fail`,
    `slow` (a second and a half), `hang` (until cancelled), `lost` (the worker dies, every time),
    `unlucky` (it dies the first time).
    """

    def __init__(self, room: int = 4) -> None:
        self.room = room
        self.submitted: list[Work] = []
        self.running: dict[str, asyncio.Task[None]] = {}
        self.listened: list[str] = []
        self.hanging: set[str] = set()
        """Work that does nothing more until it is cancelled."""
        self.end_words: dict[str, str] = {}
        """Other words for those of prompts, from now on."""
        self._events: asyncio.Queue[WorkEvent | None] = asyncio.Queue()

    async def start(self) -> None:
        self._tell(WorkerReady("cpu"))
        self._tell(WorkerStats("cpu", 10, 80, 2, 1_000_000))

    def free_slots(self, kind: JobKind) -> int:
        return self.room - len(self.running)

    async def submit(self, work: Work) -> None:
        self.submitted.append(work)
        self.running[work.id] = asyncio.create_task(self._run(work))

    async def cancel(self, id: str) -> None:
        await asyncio.sleep(0)  # a task that is cancelled before it has begun says nothing
        if id in self.running:
            self.running[id].cancel()

    async def listen(self, id: str) -> None:
        if id in self.running:
            self.listened.append(id)

    async def events(self) -> AsyncIterator[WorkEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        for task in list(self.running.values()):
            task.cancel()
        self._events.put_nowait(None)

    def lose(self, event: Lost | Stopped) -> None:
        """Break work off as a process does that ends, which tells of it."""
        self.running.pop(event.id).cancel("its process ended")
        self._tell(event)

    def _tell(self, event: WorkEvent) -> None:
        self._events.put_nowait(event)

    async def _run(self, work: Work) -> None:
        try:
            self._tell(await self._outcome(work))
        except asyncio.CancelledError as cancelled:
            if cancelled.args:
                return
            self._tell(Stopped(work.id))
        self.running.pop(work.id, None)

    async def _outcome(self, work: Work) -> WorkEvent:
        request = work.request
        words = str(request.get("prompt") or request.get("one_same_description") or "").split()
        words = [self.end_words.get(word, word) for word in words]
        again = sum(earlier.id == work.id for earlier in self.submitted) > 1
        self._tell(Started(work.id))
        self._tell(Logged(work.id, f"seed {request.get('seed')}"))
        steps = 10
        for step in range(steps + 1):
            self._tell(Progressed(work.id, 10 * step, 10 * steps, "frames"))
            if step == steps // 2:
                if "lost" in words or ("unlucky" in words and not again):
                    return Lost(work.id, "the process that worked on it ended (SIGKILL)")
                if work.id in self.listened:
                    (work.folder / "stream.mp3").write_bytes(b"\xff\xfb" + bytes(1000))
                    self._tell(Previewed(work.id, 1.0))
                if "hang" in words:
                    self.hanging.add(work.id)
                    await asyncio.Event().wait()
            await asyncio.sleep(0.15 if "slow" in words else 0.001)
        if "fail" in words:
            return Failed(work.id, "prompt is 'fail', but must be music; ask for some")
        if work.kind == "training":
            (work.folder / "weights.tar").write_bytes(b"weights of " + work.id.encode())
            facts = {"model": request.get("name") or work.id}
            return Succeeded(work.id, ("weights.tar",), {"predict_time": 0.5}, facts)
        kind = str(request.get("output_format", "wav"))
        names = [f"output{f'-{i + 1}' if work.count > 1 else ''}.{kind}" for i in range(work.count)]
        for name in names:
            write_tone(work.folder / name)
        return Succeeded(work.id, tuple(names), {"predict_time": 0.1, "audio_seconds": 0.05})


def write_tone(path: Path) -> Path:
    """A twentieth of a second of audio; a wav, whatever it is called."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", i % 2000) for i in range(RATE // 20)))
    return path
