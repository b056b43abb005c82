"""Records as the official Python client reads them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from replicate.file import File
from replicate.model import Model
from replicate.prediction import Prediction
from replicate.training import Training
from replicate.version import Version as ClientVersion

from songloom.jobs.store.records import Job, StoredFile
from songloom.server.http.links import Links
from songloom.server.render.replicate import (
    render_file,
    render_job,
    render_model,
    render_version,
)

LINKS = Links("https://music.example", lambda path: f"{path}?signature=s")
THEN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
PREDICTION = Job(
    "j1", "prediction", "replicate", {"prompt": "bells"}, "nano", version="ab" * 32, created_at=THEN
)
DONE = replace(
    PREDICTION,
    status="succeeded",
    output={"files": ["output.wav"]},
    started_at=THEN + timedelta(seconds=1),
    completed_at=THEN + timedelta(seconds=3),
)


def rendered(job: Job) -> dict[str, Any]:
    return render_job(job, LINKS, model="songloom/nano")


def test_a_prediction_that_waits() -> None:
    read = Prediction(**rendered(PREDICTION))
    assert (read.id, read.model, read.version) == ("j1", "songloom/nano", "ab" * 32)
    assert (read.status, read.input, read.output) == ("starting", {"prompt": "bells"}, None)
    assert (read.error, read.logs, read.metrics) == (None, "", {})
    assert read.created_at == "2026-01-31T12:00:00.000000Z"
    assert (read.started_at, read.completed_at) == (None, None)
    assert read.urls == {
        "get": "https://music.example/v1/predictions/j1",
        "cancel": "https://music.example/v1/predictions/j1/cancel",
        "web": "https://music.example/#/predictions/j1",
        "events": "https://music.example/v1/predictions/j1/events?signature=s",
        "stream": "https://music.example/v1/predictions/j1/stream?signature=s",
        "audio": "https://music.example/v1/predictions/j1/audio?signature=s",
    }


def test_a_prediction_that_succeeded() -> None:
    read = Prediction(**rendered(DONE))
    assert read.output == "https://music.example/v1/outputs/j1/output.wav?signature=s"
    assert read.metrics == {"predict_time": 2.0, "total_time": 3.0}


def test_several_takes_are_a_list() -> None:
    job = replace(DONE, output={"files": ["output-1.wav", "output-2.wav"]})
    assert [url.partition("?")[0] for url in rendered(job)["output"]] == [
        "https://music.example/v1/outputs/j1/output-1.wav",
        "https://music.example/v1/outputs/j1/output-2.wav",
    ]


def test_what_was_measured_wins_and_a_clock_set_back_makes_no_negative_times() -> None:
    job = replace(DONE, metrics={"predict_time": 1.5}, completed_at=THEN - timedelta(hours=1))
    assert rendered(job)["metrics"] == {"predict_time": 1.5, "total_time": 0.0}


def test_a_training_names_its_version() -> None:
    job = replace(
        DONE,
        kind="training",
        destination="me/waltz",
        output={"files": ["weights.tar"], "version": "cd" * 32, "model": "waltz"},
    )
    read = Training(**rendered(job))
    assert read.destination == "me/waltz"
    assert read.output == {
        "version": f"me/waltz:{'cd' * 32}",
        "weights": "https://music.example/v1/outputs/j1/weights.tar?signature=s",
    }
    assert read.urls is not None
    assert read.urls["get"] == "https://music.example/v1/trainings/j1"
    assert "audio" not in read.urls


def test_a_file_inside_the_input_is_shown_as_a_url_where_it_is_long() -> None:
    short, long = "data:audio/wav;base64,AAAA", "data:audio/wav;base64," + "A" * 2000
    job = replace(PREDICTION, input={"input_audio": short, "melody_audio": long})
    assert rendered(job)["input"] == {
        "input_audio": short,
        "melody_audio": "https://music.example/v1/outputs/j1/input-melody_audio?signature=s",
    }


def test_ids_that_clients_choose_stay_one_part_of_the_path() -> None:
    urls = rendered(replace(PREDICTION, id="a/b ?c"))["urls"]
    assert urls["get"] == "https://music.example/v1/predictions/a%2Fb%20%3Fc"


def test_a_model_a_version_and_a_file() -> None:
    shown = render_version("ab" * 32, THEN, {"components": {"schemas": {}}})
    assert ClientVersion(**shown).id == "ab" * 32
    described = render_model("me", "waltz", LINKS, description="A waltz.", latest=shown, mine=True)
    model = Model(**described)
    assert (model.id, model.visibility, model.url) == (
        "me/waltz",
        "private",
        "https://music.example/v1/models/me/waltz",
    )
    assert model.latest_version is not None
    file = StoredFile("f1", "tune.wav", "audio/wav", 44, "ef" * 32, {"a": 1}, created_at=THEN)
    read = File(**render_file(file, LINKS))
    assert (read.size, read.checksums, read.metadata) == (44, {"sha256": "ef" * 32}, {"a": 1})
    assert read.urls["get"] == "https://music.example/v1/files/f1"


@pytest.mark.parametrize("status", ["starting", "processing", "failed", "canceled"])
def test_only_results_are_outputs(status: Any) -> None:
    assert rendered(replace(PREDICTION, status=status))["output"] is None
