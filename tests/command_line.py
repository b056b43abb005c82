"""The command line, run in the tests' own process."""

from pathlib import Path

import pytest

from songloom.cli import main


def run(*arguments: str | Path) -> int:
    """Run the command line; return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert isinstance(stopped.value.code, int | None)
    return stopped.value.code or 0


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> None:
    """Assert that one line of error was printed, with these words in it."""
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("songloom: ")
    for word in words:
        assert word in line
