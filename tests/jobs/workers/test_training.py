"""What the process of a training passes on, and what it keeps."""

from pathlib import Path

import pytest

from songloom.finetuning.history import COMPARISON, Preview, TrainingHistory
from songloom.jobs.messages import Logged, Progressed, Sampled, Work, WorkEvent
from songloom.jobs.workers import training
from songloom.jobs.workers.training import _Recorder
from songloom.progress import (
    Notice,
    PrepareProgress,
    TrainingPreview,
    TrainingProgress,
    ValidationProgress,
)


@pytest.fixture
def told() -> list[WorkEvent]:
    return []


@pytest.fixture
def recorder(tmp_path: Path, told: list[WorkEvent]) -> _Recorder:
    return _Recorder(Work("t", "training", {}, "nano", tmp_path), told.append)


def test_losses_are_kept_and_told(
    recorder: _Recorder, told: list[WorkEvent], tmp_path: Path
) -> None:
    recorder.record(Notice("hm"))
    recorder.record(TrainingProgress(1, 9, 4.5, 0.5, 1.0, 100.0, 8.0))
    recorder.record(ValidationProgress(1, 5.0, (5.0,), best=True))
    assert told[0] == Logged("t", "note: hm")
    assert isinstance(told[1], Progressed)
    assert told[1].values["loss"] == 4.5
    points, held_out = TrainingHistory(tmp_path).curve()
    assert points == [{"step": 1, "loss": 4.5, "learning_rate": 0.5}]
    assert held_out == [{"step": 1, "loss": 5.0}]


def test_clips_lie_in_the_job_s_folder_when_they_are_told(
    recorder: _Recorder, told: list[WorkEvent], tmp_path: Path
) -> None:
    clips = tmp_path / "run" / "clips"
    clips.mkdir(parents=True)
    clip = clips / "preview-000005.mp3"
    clip.write_bytes(b"mp3")
    recorder.record(TrainingPreview(5, "a waltz", clip))
    assert told == [Sampled("t", 5, "a waltz", clip.name)]
    assert (tmp_path / clip.name).read_bytes() == b"mp3"
    assert TrainingHistory(tmp_path).previews() == [Preview(5, "a waltz", clip.name)]
    recorder.finish(clips)
    assert TrainingHistory(tmp_path).comparison() is None  # an older songloom made none
    (clips / COMPARISON).write_text('{"clips": []}')
    recorder.finish(clips)
    assert TrainingHistory(tmp_path).comparison() == {"clips": []}


def test_speeds_are_measured_for_later_estimates(
    recorder: _Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorder.speeds() == {}
    clock = iter([10.0, 12.0, 14.0])
    monkeypatch.setattr(training.time, "monotonic", lambda: next(clock))
    # What the processes take to start is not a matter of the music's length.
    for songs, seconds in ((0, 0.0), (1, 30.0), (2, 50.0), (3, 70.0)):
        recorder.record(PrepareProgress(songs, 3, seconds, 70.0, "a.mp3"))
    for rate in (100.0, 200.0, 50.0):
        recorder.record(TrainingProgress(1, 9, 4.5, 0.5, 1.0, rate, 8.0))
    assert recorder.speeds() == {"frame_seconds": 0.01, "coding_seconds": 0.1}
