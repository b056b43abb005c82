"""What a training tells on its way, read again at any time."""

import json
from pathlib import Path

import pytest

from songloom.finetuning.history import CURVE, MOST_POINTS, Preview, TrainingHistory
from songloom.jobs import model_names
from songloom.training import state


def test_nothing_is_told_before_it_begins(tmp_path: Path) -> None:
    notes = TrainingHistory(tmp_path / "missing")
    assert notes.curve() == ([], [])
    assert notes.previews() == []
    assert notes.comparison() is None
    assert notes.files() == frozenset()


def test_what_is_made_again_counts_once(tmp_path: Path) -> None:
    notes = TrainingHistory(tmp_path)
    notes.add_validation(0, 5.0)
    for step, loss in ((1, 4.0), (2, 3.0)):
        notes.add_update(step, loss, 1e-4)
    with (tmp_path / CURVE).open("ab") as file:
        file.write(b'\n{"step": 3, "lo')  # killed
    for step, loss in ((2, 2.5), (3, 2.0)):
        TrainingHistory(tmp_path).add_update(step, loss, 1e-4)
    notes.add_validation(3, 4.5)
    points, held_out = notes.curve()
    assert [(point["step"], point["loss"]) for point in points] == [(1, 4.0), (2, 2.5), (3, 2.0)]
    assert points[0]["learning_rate"] == 1e-4
    assert held_out == [{"step": 0, "loss": 5.0}, {"step": 3, "loss": 4.5}]


def test_a_long_curve_is_thinned_to_means(tmp_path: Path) -> None:
    rows = (json.dumps({"step": i, "loss": i % 2, "learning_rate": 1}) for i in range(1, 2001))
    (tmp_path / CURVE).write_text("\n".join(rows))
    points, _ = TrainingHistory(tmp_path).curve()
    assert len(points) == MOST_POINTS
    assert points[-1]["step"] == 2000
    # The model as it was is not lost in a mean.
    assert [point["loss"] for point in points[:5]] == [1, 0, 1, 0, 1]
    assert sum(point["loss"] for point in points[5:]) / 495 == pytest.approx(0.5, abs=0.1)


def test_the_first_of_many_measurements_stays(tmp_path: Path) -> None:
    rows = (json.dumps({"step": i, "held_out": float(i)}) for i in range(1001))
    (tmp_path / CURVE).write_text("\n".join(rows))
    _, held_out = TrainingHistory(tmp_path).curve()
    assert [row["step"] for row in held_out] == [0, *range(502, 1001)]


def test_clips_are_named_in_order(tmp_path: Path) -> None:
    notes = TrainingHistory(tmp_path)
    late, early = Preview(20, "a waltz", "b.mp3"), Preview(10, "a waltz", "a.mp3")
    notes.add_preview(late)
    notes.add_preview(early)
    notes.add_preview(late)
    assert notes.previews() == [early, late]
    assert notes.files() == {"a.mp3", "b.mp3"}


def test_the_saved_state_is_called_the_same_everywhere() -> None:
    assert model_names.STATE == state.FILE
