"""What a worker does when memory is short, when it has to share its device, when a model fails."""

import json
import queue
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from songloom.audio.files import read_audio
from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.load import load_components
from songloom.generation.batch import Batch
from songloom.jobs.messages import (
    Cancel,
    Failed,
    Logged,
    Lost,
    Progressed,
    Stopped,
    Succeeded,
    Work,
    WorkEvent,
)
from songloom.jobs.paths import derived_path
from songloom.jobs.workers import model_cache as model_cache_module
from songloom.jobs.workers import prediction as prediction_module
from songloom.jobs.workers.device_info import describe_worker
from songloom.jobs.workers.device_lock import DeviceLock
from songloom.jobs.workers.model_cache import ModelCache
from songloom.jobs.workers.prediction import PredictionWorker
from songloom.models.lora import LoraConfig, add_lora, lora_state
from tests.tiny import tiny_model
from tests.waiting import PATIENCE

ENDS = (Succeeded, Failed, Lost)


class Harness:
    """A worker in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = [str(tiny_model(folder / f"model {n}", seed=n)) for n in range(2)]
        self.told: queue.Queue[WorkEvent] = queue.Queue()
        device = torch.device("cpu")
        self.model_cache = ModelCache(device, "float32", max_batch=4)
        self.device_lock = DeviceLock(
            folder / "turns", "cpu"
        )  # those of a training in another process
        self.worker = PredictionWorker(
            self.told.put,
            self.model_cache,
            DeviceLock(folder / "turns", "cpu"),
            device,
            "cpu",
            60.0,
        )
        # It works for ever, as a process that is ended; here the thread ends with the tests.
        threading.Thread(target=self.worker.run, args=(self.models[0],), daemon=True).start()
        self.until(lambda event: type(event).__name__ == "WorkerReady")

    def submit(self, id: str, model: int = 0, **request: Any) -> None:
        folder = self.folder / id
        folder.mkdir()
        fields = {"prompt": "piano", "duration": 0.3, "seed": 1} | request
        self.worker.receive(Work(id, "prediction", fields, self.models[model], folder))

    def until(self, met: Callable[[WorkEvent], bool]) -> WorkEvent:
        ends = time.monotonic() + PATIENCE
        while True:
            event = self.told.get(timeout=max(0.01, ends - time.monotonic()))
            if met(event):
                return event

    def end_of(self, id: str) -> WorkEvent:
        return self.until(lambda event: isinstance(event, ENDS) and event.id == id)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


@pytest.mark.slow
def test_a_large_model_takes_turns_with_a_training(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_module, "SMALL_PARAMETERS", 0)
    with harness.device_lock.hold():  # a training has the device
        harness.submit("waits")
        harness.until(lambda event: isinstance(event, Logged))  # it is read, and in the batch
        with pytest.raises(queue.Empty):
            harness.told.get(timeout=0.3)
        harness.device_lock.yield_to_waiters()
        harness.until(lambda event: isinstance(event, Progressed))
    assert isinstance(harness.end_of("waits"), Succeeded)


def test_a_small_model_predicts_beside_a_training(harness: Harness) -> None:
    with harness.device_lock.hold():
        harness.submit("beside")
        assert isinstance(harness.end_of("beside"), Succeeded)


def test_models_that_nobody_uses_make_room_for_others(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free_memory(device: torch.device) -> int:
        return 0 if harness.model_cache.models() else 10**12

    monkeypatch.setattr(model_cache_module, "free_memory", free_memory)
    harness.submit("other", model=1)
    assert isinstance(harness.end_of("other"), Succeeded)
    [loaded] = harness.model_cache.models()
    assert loaded.model.info.name == harness.models[1]


@pytest.mark.slow
def test_where_memory_is_short_work_waits(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(model_cache_module, "free_memory", lambda device: 0)
    with harness.device_lock.hold():  # a training has the memory
        harness.submit("waits", model=1)
        told = harness.until(lambda event: isinstance(event, Logged))
        assert isinstance(told, Logged)
        assert "waiting for memory" in told.text
    # The training is over; whatever the estimate says, the model is tried.
    assert isinstance(harness.end_of("waits"), Succeeded)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "memory ran out"),
        (RuntimeError("a kernel failed"), "the model failed"),
    ],
)
def test_a_batch_that_breaks_down_loses_its_work_and_no_more(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    advance, broken = Batch.advance, []

    def breaks_once(batch: Batch) -> int:
        if not broken:
            broken.append(batch)
            raise error
        return advance(batch)

    monkeypatch.setattr(Batch, "advance", breaks_once)
    harness.submit("lost")
    lost = harness.end_of("lost")
    assert isinstance(lost, Lost)
    assert reason in lost.reason
    harness.submit("next")
    assert isinstance(harness.end_of("next"), Succeeded)


def test_a_batch_that_breaks_down_says_whether_others_shared_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = Batch.advance

    def breaks_for_two(batch: Batch) -> int:
        if batch.rows == 4:
            raise RuntimeError("a kernel failed")
        return advance(batch)

    monkeypatch.setattr(Batch, "advance", breaks_for_two)
    harness.submit("one", duration=600.0)
    harness.until(lambda event: isinstance(event, Progressed))
    harness.submit("two", duration=600.0)
    ends = [harness.end_of(id) for id in ("one", "two")]
    assert [(type(end), getattr(end, "shared", None)) for end in ends] == [(Lost, True)] * 2


def test_a_worker_that_hangs_says_by_whose_doing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, released = threading.Event(), threading.Event()
    codes = []

    def exit(code: int) -> None:
        codes.append(code)
        ended.set()
        released.wait()  # nothing comes after an exit

    read = prediction_module.GenerationRequest.from_mapping

    def hangs(values: dict[str, Any]) -> Any:
        if values["prompt"] == "hang":
            released.wait()
        return read(values)

    monkeypatch.setattr(prediction_module.os, "_exit", exit)
    monkeypatch.setattr(prediction_module.GenerationRequest, "from_mapping", hangs)
    monkeypatch.setattr(prediction_module, "BEAT_SECONDS", 0.05)
    harness.submit("running", duration=600.0)
    harness.until(lambda event: isinstance(event, Progressed))
    harness.worker._hang_seconds = 0.3
    harness.submit("culprit", prompt="hang")
    assert ended.wait(30)
    told = {}
    while not harness.told.empty():
        event = harness.told.get()
        if isinstance(event, Lost | Stopped):
            told[event.id] = event
    harness.worker.receive(Cancel("running"))
    released.set()
    assert codes == [prediction_module.HUNG]
    assert told["running"] == Stopped("running")
    assert isinstance(told["culprit"], Lost)
    assert told["culprit"].process_ended
    assert not told["culprit"].shared


def test_a_long_input_keeps_no_other_waiting(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    read = prediction_module.GenerationRequest.from_mapping

    def slow(values: dict[str, Any]) -> Any:
        if values["prompt"] == "slow":
            assert released.wait(30)
        return read(values)

    monkeypatch.setattr(prediction_module.GenerationRequest, "from_mapping", slow)
    harness.submit("long", prompt="slow")
    harness.submit("short")
    assert isinstance(harness.end_of("short"), Succeeded)
    released.set()
    assert isinstance(harness.end_of("long"), Succeeded)


def test_a_mistake_of_ours_fails_the_work_that_met_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_module.GenerationRequest, "from_mapping", lambda values: 1 / 0)
    harness.submit("bad")
    failed = harness.end_of("bad")
    assert isinstance(failed, Failed)
    assert "songloom made a mistake (ZeroDivisionError" in failed.error


def test_an_unknown_model_fails(harness: Harness) -> None:
    harness.models[1] = "no-such-model"
    harness.submit("bad", model=1)
    failed = harness.end_of("bad")
    assert isinstance(failed, Failed)
    assert "no-such-model" in failed.error


def test_a_whole_model_that_was_replaced_is_loaded_anew(harness: Harness) -> None:
    """Its name stays, and so does the server: what is heard must be the new weights."""
    harness.submit("before")
    assert isinstance(harness.end_of("before"), Succeeded)
    folder = Path(harness.models[0])
    folder.rename(harness.folder / "old")
    tiny_model(folder, seed=5)
    for id, model in (("after", 0), ("again", 0)):
        harness.submit(id, model=model)
        assert isinstance(harness.end_of(id), Succeeded)
    heard = {
        id: (harness.folder / id / "output.wav").read_bytes() for id in ("before", "after", "again")
    }
    assert heard["before"] != heard["after"] == heard["again"]
    assert len(harness.model_cache.models()) == 1  # the old weights take no memory any more


def adapter_of(base: Path, folder: Path, seed: int) -> Path:
    components = load_components(base)
    assert components.source is not None
    config = LoraConfig(rank=2, alpha=8)
    add_lora(components.lm, config, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in lora_state(components.lm).items()
    }
    fingerprint = components.source.fingerprint()
    shutil.rmtree(folder, ignore_errors=True)
    write_adapter(folder, state, config, components.lm.config, str(base), fingerprint)
    return folder


def test_an_adapter_is_known_by_its_content_and_by_its_base_s(harness: Harness) -> None:
    base, adapter = Path(harness.models[0]), harness.folder / "adapter"
    harness.models.append(str(adapter_of(base, adapter, seed=1)))
    heard = {}
    for id, seed in (("one", 1), ("two", 2), ("one again", 1)):
        adapter_of(base, adapter, seed)
        harness.submit(id, model=2)
        assert isinstance(harness.end_of(id), Succeeded)
        heard[id] = read_audio(harness.folder / id / "output.wav").samples
    assert not torch.equal(heard["one"], heard["two"])
    assert torch.equal(heard["one"], heard["one again"])
    [loaded] = harness.model_cache.models()
    assert len(loaded.model.adapters) == 1  # those that were replaced are gone
    shutil.rmtree(base)
    tiny_model(base, seed=5)
    harness.submit("other base", model=2)
    failed = harness.end_of("other base")
    assert isinstance(failed, Failed)
    assert "would sound different" in failed.error
    # A base that is chosen is used all the same, with a notice; by itself it is still refused.
    work = Work(
        "chosen",
        "prediction",
        {"prompt": "piano", "duration": 0.3, "seed": 1},
        str(adapter),
        harness.folder / "chosen",
        base=str(base),
    )
    work.folder.mkdir()
    harness.worker.receive(work)
    noted = harness.until(lambda event: isinstance(event, Logged) and "note:" in event.text)
    assert isinstance(noted, Logged)
    assert "sounds different" in noted.text
    assert isinstance(harness.end_of("chosen"), Succeeded)
    harness.submit("still", model=2)
    assert isinstance(harness.end_of("still"), Failed)


def test_a_model_whose_predictions_are_not_finite_fails_once(harness: Harness) -> None:
    """Its weights are finite, but too large: that shows only when tokens are drawn."""
    file = Path(harness.models[0]) / "model.safetensors"
    state = load_file(file)
    state["decoder.lm_heads.0.weight"].fill_(3e38)
    save_file(state, file, metadata={"format": "pt"})
    harness.submit("damaged")
    failed = harness.end_of("damaged")
    assert isinstance(failed, Failed)
    assert "not finite" in failed.error
    harness.submit("next", model=1)
    assert isinstance(harness.end_of("next"), Succeeded)


def test_a_result_is_drawn_before_it_is_told(harness: Harness) -> None:
    harness.submit("drawn")
    assert isinstance(harness.end_of("drawn"), Succeeded)
    drawn = json.loads(derived_path(harness.folder / "drawn" / "output.wav", "json").read_text())
    assert drawn["seconds"] == pytest.approx(0.3, abs=0.02)
    assert 0 < len(drawn["peaks"]) <= 400


def test_a_worker_says_what_its_device_is() -> None:
    said = describe_worker("auto", torch.device("cpu"))
    assert (said.device, said.means) == ("auto", "cpu")
    assert said.description.startswith("CPU, ")
    assert said.memory_bytes > 1 << 28
