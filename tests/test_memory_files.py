"""Files in memory come and go with a run of the tests."""

import os
from pathlib import Path

import pytest

from tests import memory_files
from tests.memory_files import PREFIX, make_memory_folder


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_DEBUG_TEMPROOT", raising=False)
    monkeypatch.setattr(memory_files.atexit, "register", lambda *_: None)


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    gone, running = tmp_path / f"{PREFIX}{2**30}", tmp_path / f"{PREFIX}{os.getppid()}"
    for folder in (gone, running):
        folder.mkdir()
        (folder / "file").touch()
    made = make_memory_folder(tmp_path, needed=0)
    assert made is not None
    assert sorted(tmp_path.iterdir()) == sorted([made, running])
    memory_files._remove(made, os.getppid())
    assert made.is_dir()
    memory_files._remove(made, os.getpid())
    assert not made.exists()


def test_without_room_or_where_one_is_named_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_memory_folder(tmp_path, needed=2**60) is None
    assert make_memory_folder(tmp_path / "missing") is None
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path))
    assert make_memory_folder(tmp_path, needed=0) is None
    assert list(tmp_path.iterdir()) == []
