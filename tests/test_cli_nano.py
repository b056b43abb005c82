"""The command line with the embedded model, as people run it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from songloom.audio.files import Audio, read_audio, read_tags, write_audio
from songloom.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # a library's warning is no fault of a user's
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def song() -> str:
    """A second of a tone: to have it from the model would take longer than what is tested."""
    tone = 0.3 * torch.sin(torch.arange(32_000) * 2 * torch.pi * 220 / 32_000)
    write_audio("song.wav", Audio(tone[None], 32_000), format="wav")
    return "song.wav"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert isinstance(stopped.value.code, int | None)
    return stopped.value.code or 0


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


@pytest.mark.parametrize("extension", ["wav", "mp3", "flac", "ogg"])
def test_a_file_of_the_asked_length_says_what_made_it(extension: str) -> None:
    output = f"a.{extension}"
    assert run("generate", "warm piano", "--duration", "0.7", "--seed", "0", "-o", output) == 0
    assert files() == [output]
    audio = read_audio(output)
    assert audio.seconds == pytest.approx(0.7, abs=0.06 if extension == "mp3" else 1e-4)
    made_by = json.loads(read_tags(output)["comment"])
    assert (made_by["prompt"], made_by["seed"], made_by["model"]) == ("warm piano", 0, "nano")


def test_the_same_seed_gives_the_same_file_and_another_seed_another() -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        run("generate", "warm piano", "--duration", "0.5", "--seed", seed, "-o", f"{name}.wav")
    first, again, other = (Path(f"{name}.wav").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_variations_are_what_each_seed_gives_alone() -> None:
    run("generate", "rock", "--duration", "0.5", "--seed", "4", "--count", "2", "-o", "a.wav")
    run("generate", "rock", "--duration", "0.5", "--seed", "5", "-o", "b.wav")
    assert Path("a-2.wav").read_bytes() == Path("b.wav").read_bytes()


def test_a_continuation_has_the_length_asked_for(song: str) -> None:
    arguments = ["--input-audio", song, "--continuation", "--continuation-end", "0.5"]
    assert run("generate", "piano", *arguments, "--duration", "1.5", "-o", "b.wav") == 0
    assert read_audio("b.wav").seconds == pytest.approx(1.5, abs=1e-4)


@pytest.mark.parametrize("extension", ["wav", "mp3", "flac", "ogg"])
def test_a_recording_alone_is_enough(song: str, extension: str) -> None:
    arguments = ["--input-audio", song, "--duration", "0.5", "-o", f"b.{extension}"]
    assert run("generate", *arguments) == 0


def test_an_exported_model_makes_the_same_music() -> None:
    assert run("export", "nano", "copy") == 0
    for model in ("nano", "copy"):
        arguments = ["--duration", "0.5", "--seed", "3", "--model", model, "-o", f"{model}.wav"]
        assert run("generate", "piano", *arguments) == 0
    assert torch.equal(read_audio("nano.wav").samples, read_audio("copy.wav").samples)


def test_a_melody_is_followed(song: str) -> None:
    arguments = ["generate", "flute", "--duration", "1", "--seed", "0"]
    assert run(*arguments, "-o", "free.wav") == 0
    assert run(*arguments, "--input-audio", song, "-o", "bound.wav") == 0
    free, bound = (read_audio(f"{name}.wav") for name in ("free", "bound"))
    assert bound.seconds == pytest.approx(1.0, abs=1e-4)
    assert not torch.equal(free.samples, bound.samples)


@pytest.mark.usefixtures("song")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "smal"], ["'smal'", "small"]),
        (["--model", "small"], ["small", "CC-BY-NC 4.0", "HF_HUB_OFFLINE"]),
        (["--input-audio", "text.wav"], ["text.wav"]),
        (["--input-audio", "empty.wav"], ["empty.wav"]),
        (["--multi-band-diffusion"], ["multi_band_diffusion is on", "leave it off"]),
        (["--device", "abacus"], ["'abacus'", "use cpu"]),
        (
            ["--input-audio", "song.wav", "--continuation", "--continuation-start", "2"],
            ["continuation_start is 2", "song.wav"],
        ),
        (
            ["--input-audio", "song.wav", "--continuation", "--duration", "0.5"],
            ["duration is 0.5"],
        ),
        (["--weights", "half"], ["half"]),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_no_file(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.wav").write_text("these are words, not music\n" * 40)
    Path("empty.wav").touch()
    Path("half").mkdir()
    Path("half/config.json").write_text('{"model_type": "musicgen"')
    before = files()
    capsys.readouterr()
    assert run("generate", "piano", "-o", "result.wav", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    line = captured.err.splitlines()[-1]
    assert line.startswith("songloom: ")
    assert "Traceback" not in captured.err
    for word in words:
        assert word in line
    assert files() == before


def test_standard_output_of_the_program_is_the_audio_alone() -> None:
    command = [sys.executable, "-m", "songloom", "generate", "piano", "--duration", "0.5"]
    done = subprocess.run([*command, "-o", "-"], capture_output=True, check=True)
    Path("piped").write_bytes(done.stdout)
    assert read_audio("piped").seconds == pytest.approx(0.5, abs=1e-4)
    assert done.stdout[:4] == b"RIFF"
    # All of it is the file: what a wav says of its length is what has come.
    assert int.from_bytes(done.stdout[4:8], "little") + 8 == len(done.stdout)
    assert b"real time" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither terminals nor signals")
def test_ctrl_c_while_generating_is_exit_code_130_and_leaves_no_file() -> None:
    terminal, stderr = os.openpty()
    command = [sys.executable, "-m", "songloom", "generate", "piano", "--duration", "300"]
    program = subprocess.Popen(
        [*command, "-o", "a.wav"],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(stderr)
    try:
        assert _wait_for(terminal, b"x real time", seconds=120)
        program.send_signal(signal.SIGINT)
        rest = _read_all(terminal)
        output, _ = program.communicate(timeout=60)
    finally:
        program.kill()
        os.close(terminal)
    assert program.returncode == 130
    assert output == b""
    assert b"Traceback" not in rest
    assert files() == []


def _wait_for(terminal: int, words: bytes, seconds: float) -> bool:
    shown = b""
    end = time.monotonic() + seconds
    while words not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 1.0)[0]:
            shown += os.read(terminal, 4096)
    return words in shown


def _read_all(terminal: int) -> bytes:
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how a terminal whose program has ended says so
            return shown
        if not piece:
            return shown
        shown += piece
