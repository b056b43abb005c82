"""Text files appear whole."""

import os
import time
from pathlib import Path

import pytest

from songloom.errors import OutputError
from songloom.whole_files import remove_unfinished, write_text


def test_text_replaces_text(tmp_path: Path) -> None:
    write_text(tmp_path / "a.md", "old")
    write_text(tmp_path / "a.md", "naïve\n音楽 \ud800")
    assert (tmp_path / "a.md").read_bytes() == "naïve\n音楽 ?".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"missing/a\.md' cannot be written"):
        write_text(tmp_path / "missing" / "a.md", "text")


def test_a_folder_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.md").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "a.md", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_what_killed_processes_left_half_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "job" / "made", tmp_path / "job" / "inputs"
    for folder in (old, new):
        folder.mkdir(parents=True)
        for name in (".0123456789abcdef.part", "song.part", ".hidden"):
            (folder / name).touch()
    (old / ".folder.part").mkdir()
    moment = time.time()
    for path in old.iterdir():
        os.utime(path, (moment - 60, moment - 60))
    remove_unfinished(tmp_path, before=moment - 30)
    assert sorted(path.name for path in old.iterdir()) == [".hidden", "song.part"]
    assert len(list(new.iterdir())) == 3  # they may still be written
    remove_unfinished(tmp_path / "missing", before=moment)
