import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from songloom import whole_files
from songloom.errors import OutputError, TrainingError
from songloom.training.state import (
    BEST_FILE,
    FILE,
    Measured,
    TrainingState,
    Update,
    check_settings,
    load_best,
    load_state,
    save_best,
    save_state,
)


def example(step: int = 3) -> TrainingState:
    return TrainingState(
        {"lr": 0.1, "name": "ünï"},
        step=step,
        seconds=12.5,
        micro_batch=2,
        updates=[Update(1, 2.5, 0.1), Update(2, 2.25, 0.1)],
        measured=[Measured(0, (3.0, 4.0)), Measured(2, (2.0, 3.0))],
        weights={"a": torch.randn(3)},
        optimizer={"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]},
    )


def test_a_state_comes_back_whole(tmp_path: Path) -> None:
    state = example()
    save_state(state, tmp_path)
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded.weights.pop("a"), state.weights.pop("a"))
    assert loaded == state or vars(loaded) == vars(state)
    assert loaded.best_measured == Measured(2, (2.0, 3.0))
    assert loaded.best_measured.loss == 2.5
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None
    assert load_best(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"not a state", b"PK\x03\x04half"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(TrainingError, match=r"state\.pt is not a whole saved state.*--restart"):
        load_state(tmp_path)
    (tmp_path / BEST_FILE).write_bytes(content)
    with pytest.raises(TrainingError, match=r"best\.safetensors.*--restart"):
        load_best(tmp_path)


def test_half_a_file_is_named(tmp_path: Path) -> None:
    save_state(example(), tmp_path)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TrainingError, match="not a whole saved state"):
        load_state(tmp_path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / FILE)
    with pytest.raises(TrainingError, match="not of format 1"):
        load_state(tmp_path)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (ran,))

    torch.save({"format": 1, "settings": Evil()}, tmp_path / FILE)
    with pytest.raises(TrainingError):
        load_state(tmp_path)
    assert not ran.exists()


def test_a_full_disk_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_state(example(step=3), tmp_path)
    save_best({"a": torch.ones(2)}, tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(whole_files.os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device.*resume from the last saved"):
        save_state(example(step=4), tmp_path)
    with pytest.raises(OutputError, match="No space left on device"):
        save_best({"a": torch.zeros(2)}, tmp_path)
    monkeypatch.undo()
    loaded, best = load_state(tmp_path), load_best(tmp_path)
    assert loaded is not None
    assert loaded.step == 3
    assert best is not None
    assert best["a"].tolist() == [1, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST_FILE, FILE]


def test_other_settings_are_named() -> None:
    check_settings(example(), {"lr": 0.1, "name": "ünï"})
    with pytest.raises(TrainingError, match=r"update 3.*lr was 0.1 and is now 0.2.*--restart"):
        check_settings(example(), {"lr": 0.2, "name": "ünï"})
    with pytest.raises(TrainingError, match="rank was None and is now 4"):
        check_settings(example(), {"lr": 0.1, "name": "ünï", "rank": 4})
