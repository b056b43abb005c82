"""The process that tells what a training would take."""

import json
from pathlib import Path

import pytest

from songloom.errors import ModelError
from songloom.jobs.workers import estimation
from songloom.jobs.workers.estimation import Speeds, estimate, measure, read_shape
from songloom.training_request import TrainingRequest
from tests.tiny import tiny_model

REQUEST = {"batch_size": 2, "window_seconds": 1.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_model(tmp_path_factory.mktemp("base"), melody=True))


def test_memory_is_what_the_plan_says(base: str) -> None:
    about = estimate({"model": base, "request": REQUEST, "device": "cpu", "speeds": ""})
    assert about["frames"] == round(about["frame_rate"])
    assert about["fits"]
    assert 0 < about["memory_bytes"] < about["free_bytes"]
    longer = REQUEST | {"window_seconds": 2.0}
    more = estimate({"model": base, "request": longer, "device": "cpu", "speeds": ""})
    assert more["memory_bytes"] > about["memory_bytes"]
    assert "frame_seconds" not in about


def test_what_does_not_fit_is_told_and_no_error(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "free_memory", lambda device: 1000)
    about = estimate({"model": base, "request": REQUEST, "device": "cpu", "speeds": ""})
    assert not about["fits"]
    assert about["memory_bytes"] > 1000


@pytest.mark.parametrize("whole_below", [10**9, 0])
def test_speeds_are_measured(base: str, whole_below: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "WHOLE_BELOW", whole_below)
    monkeypatch.setattr(estimation, "CODED_SECONDS", 2.0)
    request = TrainingRequest.from_mapping({"dataset_path": "songs", **REQUEST})
    speeds = measure(read_shape(base), request, estimation.resolve_device("cpu"))
    assert 0 < speeds.frame_seconds < 1
    assert 0 < speeds.coding_seconds < 10


def test_speeds_are_remembered(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "speeds.json"
    file.write_text("broken")
    monkeypatch.setattr(estimation, "measure", lambda *_: Speeds(0.5, 0.25))
    question = {"model": base, "request": REQUEST, "device": "cpu", "speeds": str(file)}
    assert estimate(question)["frame_seconds"] == 0.5
    assert len(json.loads(file.read_text())) == 1
    monkeypatch.setattr(estimation, "measure", lambda *_: Speeds(9, 9))
    assert estimate(question)["coding_seconds"] == 0.25


def test_a_model_that_is_elsewhere_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimation, "find", lambda name: None)
    with pytest.raises(ModelError, match="download it first"):
        estimate({"model": "large", "request": REQUEST, "device": "cpu", "speeds": ""})
