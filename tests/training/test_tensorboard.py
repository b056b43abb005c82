"""Logs are read back with TensorBoard's own reader."""

from pathlib import Path
from typing import Any

import pytest

from songloom.errors import OutputError
from songloom.progress import Stage, TrainingProgress, ValidationProgress
from songloom.training.tensorboard import TensorBoardLog
from tests.audio.sounds import tone_audio

pytest.importorskip("tensorboard")


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "audio": 0})
    accumulator.Reload()
    return accumulator


def update(step: int, loss: float) -> TrainingProgress:
    return TrainingProgress(step, 10, loss, 1e-3, 0.5, 1000.0, 60.0)


def test_events_become_scalars(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path / "logs") as log:
        log(Stage("training"))
        log(update(1, 4.0))
        log(update(2, 3.5))
        log(ValidationProgress(2, 3.75, (3.0, 4.5), best=True))
    logs = read(tmp_path / "logs")
    assert [(s.step, s.value) for s in logs.Scalars("training/loss")] == [(1, 4.0), (2, 3.5)]
    assert logs.Scalars("training/learning rate")[1].value == pytest.approx(1e-3)
    assert logs.Scalars("training/gradient norm")[0].value == 0.5
    assert logs.Scalars("training/frames per second")[0].value == 1000
    assert [s.value for s in logs.Scalars("held out/loss")] == [3.75]
    assert [logs.Scalars(f"held out/codebook {n}")[0].value for n in (1, 2)] == [3.0, 4.5]


def test_a_resumed_training_replaces_the_updates_that_it_does_again(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path) as log:
        for step in range(1, 6):
            log(update(step, float(step)))
    with TensorBoardLog(tmp_path, first_step=3) as log:  # killed after 5, saved after 3
        for step in range(4, 8):
            log(update(step, 10.0 * step))
    scalars = [(s.step, s.value) for s in read(tmp_path).Scalars("training/loss")]
    assert scalars == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0), (5, 50.0), (6, 60.0), (7, 70.0)]


def test_clips_can_be_heard(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path) as log:
        log.audio("after", tone_audio(0.5, channels=2), 7)
    (clip,) = read(tmp_path).Audio("clips/after")
    assert (clip.step, clip.sample_rate, clip.length_frames) == (7, 32000, 16000)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="TensorBoard logs cannot be written"):
        TensorBoardLog(tmp_path / "file" / "logs")
