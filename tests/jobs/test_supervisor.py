"""Worker processes, as they are: what they make, and what becomes of work when they go."""

import asyncio
import os
import signal
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import songloom
from songloom.audio.files import read_audio
from songloom.checkpoints.diffusion_files import write_diffusion
from songloom.checkpoints.home import trained_model
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
    WorkerGone,
    WorkerReady,
    WorkEvent,
)
from songloom.jobs.supervisor import Supervisor, SupervisorSettings
from tests.dataset.songs import write_song
from tests.tiny import tiny_diffusion, tiny_model
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow
ENDS = (Succeeded, Failed, Stopped, Lost)
HANG_SECONDS = 300.0
"""More than a busy machine takes to give a process its turn."""


class Harness:
    """An executor with one worker, and what it told so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = SupervisorSettings(
            ("cpu",), folder / "turns", max_batch=4, hang_seconds=HANG_SECONDS, dtype="float32"
        )
        self.executor = Supervisor(settings)
        self.told: list[WorkEvent] = []
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Harness"]:
        await self.executor.start()
        reader = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            await self.executor.close()
            await reader

    async def _read(self) -> None:
        async for event in self.executor.events():
            self.told.append(event)
            self._changed.set()

    async def until(self, met: Callable[[WorkEvent], bool], seconds: float = PATIENCE) -> WorkEvent:
        """The first event from now on, or told already, that meets a condition."""
        async with asyncio.timeout(seconds):
            looked_at = 0
            while True:
                for event in self.told[looked_at:]:
                    if met(event):
                        return event
                looked_at = len(self.told)
                self._changed.clear()
                await self._changed.wait()

    async def ready(self) -> None:
        await self.until(lambda event: isinstance(event, WorkerReady))

    async def end_of(self, id: str) -> WorkEvent:
        return await self.until(lambda event: isinstance(event, ENDS) and event.id == id)

    def work(self, id: str, *, count: int = 1, alone: bool = False, **request: Any) -> Work:
        folder = self.folder / id
        folder.mkdir(exist_ok=True)
        fields = {"prompt": "piano", "duration": 0.5, "seed": 1} | request
        return Work(id, "prediction", fields, "nano", folder, count=count, alone=alone)

    async def begun(self, *works: Work) -> None:
        """Submit, and wait until all are being decoded."""
        for work in works:
            await self.executor.submit(work)
        for work in works:
            await self.until(lambda e, id=work.id: isinstance(e, Progressed) and e.id == id)

    async def let_silence_pass(self) -> None:
        """Make it so long ago that the worker was heard that it hangs, until it is noticed."""
        process = self.executor._predictors[0]
        async with asyncio.timeout(PATIENCE):
            while not any(isinstance(event, Lost) for event in self.told):
                process._heard = time.monotonic() - HANG_SECONDS - 1
                await asyncio.sleep(0.05)

    @property
    def worker(self) -> int:
        """Process id of the worker."""
        process = self.executor._predictors[0]._process
        assert process is not None
        return process.pid


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def harness(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(tmp_path_factory.mktemp("harness"))
    context = harness.open()
    runner.run(context.__aenter__())
    runner.run(harness.ready())
    yield harness
    runner.run(context.__aexit__(None, None, None))


@pytest.fixture(autouse=True)
def _forget(harness: Harness) -> None:
    harness.told.clear()


def test_predictions_together_are_what_they_are_alone(
    runner: asyncio.Runner, harness: Harness, tmp_path: Path
) -> None:
    async def together() -> list[WorkEvent]:
        works = [
            harness.work("one", seed=3),
            harness.work("two", count=2, seed=4, output_format="flac", duration=0.8),
            harness.work("three", prompt="drums", temperature=0.5, classifier_free_guidance=1.0),
        ]
        for work in works:
            await harness.executor.submit(work)
        return [await harness.end_of(work.id) for work in works]

    one, two, three = runner.run(together())
    assert isinstance(one, Succeeded)
    assert isinstance(two, Succeeded)
    assert isinstance(three, Succeeded)
    assert one.files == ("output.wav",)
    assert two.files == ("output-1.flac", "output-2.flac")
    assert two.metrics["audio_seconds"] == pytest.approx(1.6)
    model = songloom.load("nano", dtype="float32")
    request = songloom.GenerationRequest(prompt="piano", duration=0.8, seed=5, output_format="flac")
    model.generate(request).save(tmp_path / "alone.flac")
    made = (harness.folder / "two" / "output-2.flac").read_bytes()
    assert made == (tmp_path / "alone.flac").read_bytes()


def test_a_prediction_tells_its_story(runner: asyncio.Runner, harness: Harness) -> None:
    runner.run(harness.executor.submit(harness.work("story", seed=11)))
    runner.run(harness.end_of("story"))
    told = [event for event in harness.told if getattr(event, "id", None) == "story"]
    assert isinstance(told[0], Started)
    assert any(isinstance(event, Logged) and "seed 11" in event.text for event in told)
    progress = [event for event in told if isinstance(event, Progressed)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert progress[-1].done == progress[-1].total == 13  # half a second of 25 frames
    assert isinstance(told[-1], Succeeded)


def test_work_that_cannot_be_done_fails_alone(
    runner: asyncio.Runner, harness: Harness, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF, or so it says")

    async def both() -> tuple[WorkEvent, WorkEvent]:
        await harness.executor.submit(harness.work("bad", input_audio=str(broken)))
        await harness.executor.submit(harness.work("good"))
        return await harness.end_of("bad"), await harness.end_of("good")

    bad, good = runner.run(both())
    assert isinstance(bad, Failed)
    assert str(broken) in bad.error
    with pytest.raises(AudioError) as raised:
        read_audio(broken)
    assert bad.error == str(raised.value)
    assert isinstance(good, Succeeded)


def test_cancelled_work_stops_and_the_rest_goes_on(
    runner: asyncio.Runner, harness: Harness
) -> None:
    async def story() -> tuple[WorkEvent, WorkEvent]:
        await harness.begun(
            harness.work("long", duration=60.0), harness.work("other", duration=3.0)
        )
        await harness.executor.cancel("long")
        await harness.executor.cancel("nobody")
        return await harness.end_of("long"), await harness.end_of("other")

    long, other = runner.run(story())
    assert isinstance(long, Stopped)
    assert isinstance(other, Succeeded)


def test_diffusion_tells_how_far_it_is_and_can_be_cancelled(
    runner: asyncio.Runner, harness: Harness, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "model", melody=True)
    write_diffusion(tiny_diffusion(), model / "diffusion")

    def work(id: str, duration: float) -> Work:
        asked = harness.work(id, multi_band_diffusion=True, duration=duration)
        return replace(asked, model=str(model), listen=True)

    def decoding(event: WorkEvent) -> bool:
        return isinstance(event, Progressed) and event.stage == "decoding by diffusion"

    async def story() -> tuple[WorkEvent, WorkEvent]:
        await harness.executor.submit(work("short", 0.5))
        short = await harness.end_of("short")
        await harness.executor.submit(work("long", 30.0))
        await harness.until(lambda event: decoding(event) and event.id == "long")
        await harness.executor.cancel("long")
        return short, await harness.end_of("long")

    short, long = runner.run(story())
    assert isinstance(short, Succeeded)
    assert isinstance(long, Stopped)
    told = [event for event in harness.told if decoding(event)]
    assert {(event.unit, event.total) for event in told} >= {("seconds", 30)}
    # The codec's audio would be another than the result's, so there is nothing to hear before it.
    assert not any(isinstance(event, Previewed) for event in harness.told)
    request = songloom.GenerationRequest(
        prompt="piano", duration=0.5, seed=1, multi_band_diffusion=True
    )
    songloom.load(model, dtype="float32").generate(request).save(tmp_path / "alone.wav")
    made = read_audio(harness.folder / "short" / "output.wav").samples
    assert torch.equal(made, read_audio(tmp_path / "alone.wav").samples)


def test_audio_can_be_heard_while_it_is_generated(runner: asyncio.Runner, harness: Harness) -> None:
    async def story() -> tuple[WorkEvent, WorkEvent]:
        await harness.begun(harness.work("heard", duration=3.0))
        await harness.executor.listen("heard")
        first = await harness.until(lambda event: isinstance(event, Previewed))
        return first, await harness.end_of("heard")

    first, end = runner.run(story())
    assert isinstance(end, Succeeded)
    assert harness.told.index(first) < harness.told.index(end)
    assert read_audio(harness.folder / "heard" / "stream.mp3").seconds == pytest.approx(
        3.0, abs=0.1
    )


def test_work_that_must_be_alone_shares_no_batch(runner: asyncio.Runner, harness: Harness) -> None:
    async def story() -> None:
        works = [harness.work("a"), harness.work("b", alone=True), harness.work("c")]
        for work in works:
            await harness.executor.submit(work)
        for work in works:
            assert isinstance(await harness.end_of(work.id), Succeeded)

    runner.run(story())
    ends = [event.id for event in harness.told if isinstance(event, Started | Succeeded)]
    assert ends == ["a", "a", "b", "b", "c", "c"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_replaced(
    runner: asyncio.Runner, harness: Harness, number: int
) -> None:
    async def story() -> list[WorkEvent]:
        lost = [harness.work("x", duration=60.0), harness.work("y", duration=60.0)]
        await harness.begun(*lost)
        os.kill(harness.worker, number)
        if number == signal.SIGSTOP:
            await harness.let_silence_pass()
        ends = [await harness.end_of(work.id) for work in lost]
        await harness.until(lambda event: isinstance(event, WorkerGone))
        await harness.ready()
        await harness.executor.submit(harness.work("z"))
        return [*ends, await harness.end_of("z")]

    x, y, z = runner.run(story())
    assert isinstance(x, Lost)
    assert isinstance(y, Lost)
    assert "SIGKILL" in x.reason
    assert x.shared
    assert y.shared
    assert x.process_ended
    assert isinstance(z, Succeeded)


def test_what_a_dead_worker_had_not_begun_is_given_back(
    runner: asyncio.Runner, harness: Harness
) -> None:
    async def story() -> list[WorkEvent]:
        await harness.begun(harness.work("running", duration=60.0))
        for work in (harness.work("waits", alone=True), harness.work("waits too")):
            await harness.executor.submit(work)
        os.kill(harness.worker, signal.SIGKILL)
        ends = [await harness.end_of(id) for id in ("running", "waits", "waits too")]
        await harness.until(lambda event: isinstance(event, WorkerGone))
        await harness.ready()
        return ends

    running, waits, too = runner.run(story())
    assert isinstance(running, Lost)
    assert not running.shared  # there is no doubt whose process it was
    assert isinstance(waits, Stopped)
    assert isinstance(too, Stopped)


def test_isolated_work_has_a_process_for_itself(runner: asyncio.Runner, harness: Harness) -> None:
    def isolated(id: str, **request: Any) -> Work:
        return replace(harness.work(id, **request), isolated=True)

    async def story() -> list[WorkEvent]:
        shared = harness.worker
        await harness.begun(harness.work("beside", duration=600.0))
        await harness.begun(isolated("culprit", duration=60.0))
        for work in (isolated("next"), isolated("unwanted")):
            await harness.executor.submit(work)
        await harness.executor.cancel("unwanted")
        process = harness.executor._isolated._process
        assert process is not None
        assert process.pid != shared
        os.kill(process.pid, signal.SIGKILL)
        ends = [await harness.end_of(id) for id in ("culprit", "next", "unwanted")]
        assert harness.worker == shared
        await harness.executor.cancel("beside")
        return [*ends, await harness.end_of("beside")]

    culprit, following, unwanted, beside = runner.run(story())
    assert culprit == Lost("culprit", culprit.reason, shared=False, process_ended=True)  # type: ignore[union-attr]
    assert isinstance(following, Succeeded)
    assert isinstance(unwanted, Stopped)
    assert isinstance(beside, Stopped)
    # The device's own worker was there all the time.
    assert not any(isinstance(event, WorkerGone | WorkerReady) for event in harness.told)


def updates_of(event: WorkEvent) -> int:
    """Updates of the weights that an event tells of."""
    return event.done if isinstance(event, Progressed) and event.unit == "updates" else 0


def training(harness: Harness, id: str, songs: Path, name: str, updates: int) -> Work:
    folder = harness.folder / id
    folder.mkdir(exist_ok=True)
    request = {
        "dataset_path": str(songs), "name": name, "model_version": "nano", "epochs": 1,
        "updates_per_epoch": updates, "batch_size": 1, "window_seconds": 1.0, "save_minutes": 0,
        "previews": 0, "held_out": 0.0, "auto_labeling": False, "processes": 1,
    }  # fmt: skip
    return Work(id, "training", request, "nano", folder)


def test_a_killed_training_goes_on_and_its_model_can_be_used(
    runner: asyncio.Runner, harness: Harness, tmp_path: Path
) -> None:
    write_song(tmp_path / "song.wav", seconds=4.0)
    work = training(harness, "training", tmp_path / "song.wav", "my-style", 30)

    async def story() -> tuple[WorkEvent, WorkEvent, WorkEvent]:
        await harness.executor.submit(work)
        assert harness.executor.free_slots("training") == 0
        await harness.until(
            lambda e: isinstance(e, Progressed) and e.unit == "updates" and e.done > 2
        )
        process = harness.executor._trainers["cpu"]._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        lost = await harness.end_of("training")
        while not harness.executor.free_slots("training"):
            await asyncio.sleep(0.05)
        harness.told.clear()
        await harness.executor.submit(work)
        end = await harness.end_of("training")
        # Beside it, and after it, predictions go on.
        using = Work("using", "prediction", {"prompt": "a", "duration": 0.2, "seed": 1},
                     "my-style", harness.folder / "training")  # fmt: skip
        await harness.executor.submit(using)
        return lost, end, await harness.end_of("using")

    lost, end, used = runner.run(story())
    assert isinstance(lost, Lost)
    assert isinstance(end, Succeeded)
    updates = [updates_of(event) for event in harness.told if updates_of(event)]
    assert updates[0] > 1  # it did not begin anew
    assert updates[-1] == 30
    assert end.facts == {"model": "my-style"}
    assert end.files == ("weights.tar",)
    with tarfile.open(harness.folder / "training" / "weights.tar") as archive:
        assert {"adapter_config.json", "adapter_model.safetensors"} <= set(archive.getnames())
    assert trained_model("my-style") is not None
    assert isinstance(used, Succeeded)


def test_a_cancelled_training_stops(
    runner: asyncio.Runner, harness: Harness, tmp_path: Path
) -> None:
    write_song(tmp_path / "song.wav", seconds=4.0)

    async def story() -> WorkEvent:
        await harness.executor.submit(
            training(harness, "stopped", tmp_path / "song.wav", "never-made", 100_000)
        )
        await harness.until(lambda e: updates_of(e) > 0)
        await harness.executor.cancel("stopped")
        return await harness.end_of("stopped")

    assert isinstance(runner.run(story()), Stopped)
    assert trained_model("never-made") is None
