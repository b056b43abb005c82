"""What this machine lacks is said in one line at the end, and only where it left tests out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tools
from tests.tools import find_chromium, missing_tools

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest
def test_left_out(): pytest.skip("no such tool")
def test_done(): pass
"""


def last_lines(folder: Path, *options: str) -> list[str]:
    """What pytest says at the end on a machine with no programs but Python."""
    path = folder / "test_some.py"
    path.write_text(TESTS)
    settings = ("-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(folder))
    environment = {**os.environ, "PATH": str(folder), "CHROMIUM": "", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *settings, *options, str(path)],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("Skipped, as ")]


@pytest.mark.slow
def test_missing_programs_are_named_in_one_line(tmp_path: Path) -> None:
    [line] = last_lines(tmp_path)
    assert "Chromium (tests of the page in a browser; CHROMIUM may name one)" in line
    assert "npm (tests with Replicate's JavaScript client)" in line


@pytest.mark.slow
def test_nothing_is_said_where_nothing_was_skipped(tmp_path: Path) -> None:
    assert last_lines(tmp_path, "-k", "test_done") == []


def test_what_npm_installs_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").touch(mode=0o755)
    (tmp_path / "chromium").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(tools, "JAVASCRIPT_CLIENT", tmp_path)
    monkeypatch.setattr(tools, "AXE", tmp_path / "node")
    assert find_chromium() == str(tmp_path / "chromium")
    assert not any(line.startswith(("Chromium", "npm")) for line in missing_tools())
    monkeypatch.setattr(tools, "AXE", tmp_path / "gone")
    assert "npm (tests of the page's accessibility)" in list(missing_tools())
