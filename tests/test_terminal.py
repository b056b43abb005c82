import io
import re

import pytest

from songloom.progress import DownloadProgress, GenerationProgress
from songloom.terminal import progress_bars, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars("loading nano") as show:
        show(DownloadProgress("nano", 1, 2))
        show(GenerationProgress(1.0, 2.0))
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def drawn(monkeypatch: pytest.MonkeyPatch, *events: DownloadProgress | GenerationProgress) -> str:
    """What a terminal of 120 columns has shown, without its control codes."""
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bars("loading nano") as show:
        for event in events:
            show(event)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())


def test_a_terminal_shows_what_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "loading nano" in drawn(monkeypatch)


def test_a_download_is_shown_in_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, DownloadProgress("small", 500_000_000, 2_000_000_000))
    assert "downloading small" in text
    assert "500/2000 MB" in text


def test_a_download_of_unknown_size_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "downloading small" in drawn(monkeypatch, DownloadProgress("small", 500, 0))


def test_generation_is_shown_in_seconds_of_audio_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 102.0])
    monkeypatch.setattr("songloom.terminal.monotonic", lambda: next(times))
    text = drawn(monkeypatch, GenerationProgress(1.0, 8.0), GenerationProgress(6.0, 8.0))
    # Five seconds of audio in two seconds.
    assert "6.0/8.0 s, 2.5x real time" in text


def test_a_table_is_never_cut_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "note"), [("nano", "x" * 300)])
    assert "x" * 300 in capsys.readouterr().out
