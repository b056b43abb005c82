"""What a training would take, told before it is begun."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from songloom.jobs.store.records import Job
from songloom.server.datasets.estimates import Effort, Speed, earlier_speed, inputs_for, seconds_for
from songloom.server.datasets.records import DatasetSong, SongDataset
from songloom.server.inputs.inputs import check_training
from songloom.server.processes.line_process import LineProcess, ProcessEndedError
from songloom.training import loop
from songloom.training_request import TrainingRequest
from tests.server.serving import Serving

SONG = DatasetSong("s", "a.mp3", "s.mp3", 1, "00", status="ready", seconds=60.0)
SONGS = SongDataset("d", "Waltzes", songs=(SONG,) * 5)
DONE = Job("j", "training", "replicate", {}, "nano", status="succeeded")
ABOUT = {
    "parameters": 7e6, "frames": 100, "frame_rate": 25.0, "window_seconds": 20.0,
    "memory_bytes": 1.5e9, "free_bytes": 8e9, "fits": True, "cores": 2,
    "frame_seconds": 0.002, "coding_seconds": 0.1,
}  # fmt: skip


def asking(answer: Mapping[str, Any], asked: list[Mapping[str, Any]]) -> Any:
    async def ask(self: LineProcess, question: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return dict(answer)

    return ask


def estimated(server: Serving, **query: str) -> Any:
    id = server.client.post("/v1/datasets", json={}).json()["id"]
    return server.client.get("/v1/trainings/estimate", params={"dataset": id, **query})


@pytest.mark.parametrize("effort", get_args(Effort))
@pytest.mark.parametrize("small", [True, False])
def test_inputs_are_those_of_a_training(server: Serving, effort: Effort, small: bool) -> None:
    inputs = inputs_for(effort, small)
    request = TrainingRequest(Path("songs"), **inputs)
    assert request.preview_every is not None
    assert request.steps // request.preview_every == 4
    given = {"dataset_path": "http://localhost/v1/datasets/x", **inputs}
    services = server.services
    notes = check_training(given, services.settings, services.models, model="nano").notes
    assert not any("left out" in note for note in notes)


def test_more_effort_and_more_music_take_longer() -> None:
    speed = Speed(0.002, 0.05, earlier=True)
    times = [
        seconds_for(inputs_for(effort, small=True), SONGS, speed, 25.0)
        for effort in ("quick", "normal", "thorough")
    ]
    assert times == sorted(times)
    assert all(low < high for low, high in times)
    longer = replace(SONGS, songs=SONGS.songs * 10)
    inputs = inputs_for("quick", small=True)
    assert seconds_for(inputs, longer, speed, 25.0) > times[0]
    unheard = replace(SONGS, songs=(replace(SONG, seconds=None),))
    assert seconds_for(inputs, unheard, speed, 25.0) > (0, 0)


def test_updates_are_what_takes_time() -> None:
    inputs = inputs_for("normal", small=True)
    low, high = seconds_for(inputs, SONGS, Speed(0.01, 0.0, earlier=True), 25.0)
    updates = 200 * 4 * 100 * 0.01
    assert low < 1.6 * updates
    assert high > updates


def test_trainings_that_are_done_say_how_fast_it_goes() -> None:
    told = replace(DONE, metrics={"frame_seconds": 0.01, "coding_seconds": 0.2})
    others = [
        replace(told, model="small", metrics={"frame_seconds": 9.0}),
        replace(told, status="failed", metrics={"frame_seconds": 9.0}),
        DONE,
    ]
    assert earlier_speed(others, "nano") is None
    assert earlier_speed([*others, told], "nano") == Speed(0.01, 0.2, earlier=True)


def test_an_estimate_by_a_trial(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Mapping[str, Any]] = []
    monkeypatch.setattr(LineProcess, "ask", asking(ABOUT, asked))
    found = estimated(server, effort="quick").json()
    assert found["basis"] == "a measurement of this machine"
    assert (found["memory_gb"], found["free_gb"], found["fits"]) == (1.5, 8.0, True)
    assert 0 < found["seconds_low"] < found["seconds_high"]
    assert found["inputs"] == inputs_for("quick", small=True)
    assert asked[0]["model"] == "nano"
    assert asked[0]["speeds"].endswith("speeds.json")


def test_a_large_model_has_inputs_of_its_own(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, Any]] = []
    monkeypatch.setattr(LineProcess, "ask", asking({**ABOUT, "parameters": 3e8}, asked))
    found = estimated(server).json()
    assert found["inputs"] == inputs_for("normal", small=False)
    assert asked[-1]["request"] == found["inputs"]


def test_what_can_t_be_told_says_why(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"error": "the model 'large' is not on this machine yet; download it first"}
    monkeypatch.setattr(LineProcess, "ask", asking(error, []))
    refused = estimated(server, model="large")
    assert refused.status_code == 404
    assert refused.json()["detail"] == error["error"]

    async def end(self: LineProcess, question: Mapping[str, Any]) -> dict[str, Any]:
        raise ProcessEndedError("its process ended (exit code -9)")

    monkeypatch.setattr(LineProcess, "ask", end)
    assert "exit code -9" in estimated(server).json()["detail"]
    missing = server.client.get("/v1/trainings/estimate", params={"dataset": "none"})
    assert missing.status_code == 404
    assert estimated(server, effort="heroic").status_code == 422


def test_what_it_knows_of_a_training_is_so() -> None:
    from songloom.dataset import prepare
    from songloom.server.datasets import estimates

    assert estimates.MEASURED_WINDOWS == loop.MOST_MEASURED
    assert estimates.HELD_OUT_FROM == prepare.FEWEST_TO_HOLD_OUT_OF
    assert estimates.MOST_PROCESSES == prepare.MOST_PROCESSES
