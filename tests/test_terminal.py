import io
import os
import re
import signal

import pytest

from songloom.progress import (
    DiffusionProgress,
    DownloadProgress,
    GenerationProgress,
    Notice,
    PrepareProgress,
    ProgressEvent,
    Stage,
    TrainingProgress,
    ValidationProgress,
)
from songloom.terminal import progress_bars, stop_on_interrupt, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars("loading nano") as show:
        show(DownloadProgress("nano", 1, 2))
        show(GenerationProgress(1.0, 2.0))
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def drawn(monkeypatch: pytest.MonkeyPatch, *events: ProgressEvent) -> str:
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


def test_decoding_by_diffusion_is_shown_in_seconds_of_audio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = drawn(monkeypatch, GenerationProgress(8.0, 8.0), DiffusionProgress(2.5, 8.0))
    assert "decoding by diffusion" in text
    assert "2.5/8.0 s" in text


def test_a_table_is_never_cut_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "note"), [("nano", "x" * 300)])
    assert "x" * 300 in capsys.readouterr().out


def test_brackets_are_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table(("song",), [("a [live]/[/b].wav",)])
    assert "a [live]/[/b].wav" in capsys.readouterr().out
    assert "loading [/x]/[red]y" in drawn(monkeypatch, Stage("loading [/x]/[red]y"))
    assert "downloading [/x]" in drawn(monkeypatch, DownloadProgress("[/x]", 1, 2))


def test_preparing_is_shown_in_songs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, PrepareProgress(1, 3, 60.0, 180.0, "a.wav"))
    assert "preparing songs" in text
    assert "1/3 songs" in text
    assert "2/3 songs" in drawn(monkeypatch, PrepareProgress(2, 3, 60.0, None, "b.wav"))


def test_training_is_shown_with_loss_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, TrainingProgress(3, 300, 4.25, 1e-4, 0.5, 1234.5, 75.0))
    assert "3/300, loss 4.250, 1234 frames/s, 1:15 left" in text
    assert "-:--" not in text.split("1:15 left")[1]  # one time left is enough


def test_what_is_measured_and_noted_stays_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(
        monkeypatch,
        ValidationProgress(6, 3.5, (3.0, 4.0), best=True),
        Notice("memory ran out"),
        Stage("generating"),
    )
    lines = [line.strip() for line in text.splitlines()]
    assert "update 6: held-out loss 3.500 (3.000, 4.000), the best" in lines
    assert "note: memory ran out" in lines


def test_of_a_long_training_some_updates_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars("starting") as show:
        for step in range(1, 301):
            show(TrainingProgress(step, 300, 4.0, 1e-4, 0.5, 100.0, 7200.0))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20
    assert lines[0] == "update 15 of 300: loss 4.000, 100 frames/s, 2:00:00 left"
    assert lines[-1].startswith("update 300 of 300")


def interrupt() -> None:
    """What Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_raises_a_flag_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt("stopping after this update") as stopped:
        assert not stopped()
        interrupt()
        assert stopped()
        assert "stopping after this update; press Ctrl-C again" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_as_before_when_the_work_has_failed() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="broken"), stop_on_interrupt("stopping"):
        raise ValueError("broken")
    assert signal.getsignal(signal.SIGINT) is before
