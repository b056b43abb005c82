"""What can be known is refused before the songs; what fails at the end costs no model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import songloom
from songloom.checkpoints.home import model_folder
from songloom.errors import ModelError, OutputError, RequestError, SongloomError, TrainingError
from songloom.finetuning import feasibility, pipeline, previews
from songloom.finetuning.pipeline import train
from songloom.progress import Notice, PrepareProgress, ProgressEvent
from songloom.request import GenerationRequest
from songloom.training_request import TrainingRequest
from tests.dataset.songs import write_song
from tests.tiny import tiny_model


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    write_song(folder / "song.wav", seconds=2.0)
    (folder / "song.txt").write_text("warm piano")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base"))


def asked(songs: Path, base: Path, **values: Any) -> TrainingRequest:
    quick: dict[str, Any] = {
        "dataset_path": songs, "model_version": str(base), "name": "mine", "epochs": 1,
        "updates_per_epoch": 1, "batch_size": 1, "window_seconds": 1.0, "processes": 1,
        "auto_labeling": False, "held_out": 0.0, "device": "cpu", "optimizer": "adamw",
        "previews": 1, "preview_seconds": 0.5,
    }  # fmt: skip
    return TrainingRequest(**quick | values)


def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feasibility, "free_memory", lambda device: 1000)


def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))


def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pass


@pytest.mark.parametrize(
    ("values", "machine", "error", "message"),
    [
        ({"window_seconds": 100.0}, nothing, RequestError, "window_seconds is 100"),
        ({"window_seconds": 1e-6}, nothing, RequestError, "less than a frame"),
        ({"precision": "float16"}, nothing, RequestError, "precision is 'float16'"),
        ({}, no_memory, TrainingError, "GiB are free"),
        ({}, no_disk, OutputError, "MiB free"),
        ({"full": True}, no_disk, OutputError, "MiB free"),
    ],
)
def test_what_cannot_end_well_is_refused_before_the_songs(
    songs: Path,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    machine: Callable[[pytest.MonkeyPatch], None],
    error: type[SongloomError],
    message: str,
) -> None:
    machine(monkeypatch)
    events: list[ProgressEvent] = []
    with pytest.raises(error, match=message):
        train(asked(songs, base, **values), on_event=events.append)
    assert not any(isinstance(event, PrepareProgress) for event in events)


def test_previews_are_no_longer_than_music_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="preview_seconds is 700 s, but at most 600 s"):
        TrainingRequest(dataset_path=Path("x"), preview_seconds=700.0)
    TrainingRequest(dataset_path=Path("x"), preview_seconds=700.0, previews=0)
    monkeypatch.setenv("SONGLOOM_MAX_DURATION", "5")
    TrainingRequest(dataset_path=Path("x"))  # nobody asked for the default
    with pytest.raises(RequestError, match="preview_seconds is 6 s, but at most 5 s"):
        TrainingRequest(dataset_path=Path("x"), preview_seconds=6.0)


def test_the_default_preview_is_as_long_as_it_may_be(
    songs: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONGLOOM_MAX_DURATION", "0.5")
    events: list[ProgressEvent] = []
    wanted = asked(songs, base, preview_seconds=TrainingRequest.preview_seconds, preview_every=1)
    trained = train(wanted, on_event=events.append)
    assert trained.report.is_file()
    assert not [event for event in events if isinstance(event, Notice) and "no clip" in event.text]


@pytest.mark.parametrize(
    ("place", "name", "missing"),
    [
        (pipeline, "compare", "what was compared"),
        (pipeline, "keep_comparison", "the clips that were compared"),
        (pipeline, "write_report", "the report"),
        (pipeline, "write_card", "the model card"),
        (previews, "write_audio", "there is no clip after 1 updates"),
    ],
)
def test_what_fails_beside_the_model_costs_no_model(
    songs: Path,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    missing: str,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(place, name, fails)
    events: list[ProgressEvent] = []
    train(asked(songs, base, preview_every=1, updates_per_epoch=2), on_event=events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert any(missing in text and "the disk is full" in text for text in notices), notices
    model = songloom.load("mine", base=str(base))
    assert model.generate(GenerationRequest(prompt="a", duration=0.2, seed=1)).seconds == 0.2
    assert model_folder("mine").is_dir()


def test_songs_whose_folder_is_called_like_a_model_need_a_name(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nano"
    folder.mkdir()
    with pytest.raises(ModelError, match=r"named after .*nano.* with --name"):
        train(asked(folder, base, name=None))
