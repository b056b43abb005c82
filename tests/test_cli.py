"""The command line, with an engine that makes sines instead of music."""

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch

import songloom
from songloom.audio.files import read_audio
from songloom.checkpoints.listing import ModelListing
from songloom.errors import ModelError
from songloom.fields import fields_of
from songloom.models.lm import LM
from songloom.request import GenerationRequest
from tests.command_line import refused, run
from tests.sines import RATE, SineEngine
from tests.tiny import tiny_model


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SineEngine:
    """The engine in place of the real one, and an empty folder to work in."""
    engine = SineEngine()
    monkeypatch.setitem(vars(songloom), "load", engine.load)
    monkeypatch.chdir(tmp_path)
    return engine


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


def generate(*arguments: str | Path) -> int:
    """Generate half a second, to be quick."""
    return run("generate", "--duration", "0.5", *arguments)


@pytest.mark.usefixtures("engine")
def test_a_prompt_becomes_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "warm felt piano", "--duration", "2", "--seed", "7", "-o", "a.wav") == 0
    assert files() == ["a.wav"]
    audio = read_audio("a.wav")
    assert (audio.seconds, audio.sample_rate) == (2.0, RATE)
    assert capsys.readouterr().out == "a.wav  2.0 s  seed 7\n"


@pytest.mark.usefixtures("engine")
def test_speed_model_and_licence_are_told_beside_the_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    generate("piano", "--model", "small")
    error = capsys.readouterr().err
    assert "0.5 s of audio in " in error
    assert "x real time), small, CC-BY-NC 4.0" in error


def test_every_field_has_an_option_that_reaches_the_request(engine: SineEngine) -> None:
    Path("hum.wav").touch()
    Path("whistle.wav").touch()
    values: dict[str, Any] = {
        "prompt": "piano",
        "input_audio": Path("hum.wav"),
        "duration": 2.5,
        "continuation": True,
        "continuation_start": 0.25,
        "continuation_end": 1.25,
        "multi_band_diffusion": True,
        "normalization_strategy": "peak",
        "top_k": 50,
        "top_p": 0.9,
        "temperature": 0.75,
        "classifier_free_guidance": 1.5,
        "output_format": "flac",
        "seed": 0,
        "melody_audio": Path("whistle.wav"),
        "melody_stems": "none",
    }
    arguments = []
    for spec in fields_of(GenerationRequest):
        assert values[spec.name] != spec.default
        flag = "--" + spec.name.replace("_", "-")
        arguments += [flag] if spec.type is bool else [flag, str(values[spec.name])]
    assert run("generate", *arguments) == 0
    assert engine.requests == [GenerationRequest(**values)]


def test_what_is_left_out_has_the_request_s_default(engine: SineEngine) -> None:
    generate("piano")
    assert engine.requests == [GenerationRequest("piano", duration=0.5)]


def test_minus_one_stands_for_none(engine: SineEngine) -> None:
    generate("piano", "--seed", "-1", "--continuation-end", "-1")
    assert engine.requests[0].seed is None
    assert engine.requests[0].continuation_end is None


@pytest.mark.usefixtures("engine")
def test_a_drawn_seed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    generate("piano")
    assert capsys.readouterr().out.endswith("seed 1234\n")


def test_model_device_and_precision_are_passed_on(engine: SineEngine) -> None:
    generate("piano", "--model", "small", "--device", "cpu", "--dtype", "float32")
    assert engine.loaded == [{"name": "small", "device": "cpu", "dtype": "float32", "base": None}]


def test_weights_win_over_the_model(engine: SineEngine) -> None:
    Path("mine").mkdir()
    generate("piano", "--model", "small", "--weights", "mine")
    assert engine.loaded[0]["name"] == "mine"
    assert engine.loaded[0]["base"] == "small"


def test_variations_have_seeds_in_a_row_and_numbered_files(engine: SineEngine) -> None:
    assert generate("piano", "--count", "3", "--seed", "7", "-o", "a.mp3") == 0
    assert [request.seed for request in engine.requests] == [7, 8, 9]
    assert files() == ["a-1.mp3", "a-2.mp3", "a-3.mp3"]


def test_variations_without_a_seed_draw_one_each(engine: SineEngine) -> None:
    generate("piano", "--count", "2")
    assert [request.seed for request in engine.requests] == [None, None]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("extension", ["wav", "mp3", "flac", "ogg", "WAV"])
def test_the_extension_decides_the_format(extension: str) -> None:
    assert generate("piano", "-o", f"a.{extension}") == 0
    start = Path(f"a.{extension}").read_bytes()[:4]
    magic = {"wav": b"RIFF", "flac": b"fLaC", "ogg": b"OggS"}
    assert start == magic.get(extension.lower(), start)
    if extension == "mp3":
        assert start[:3] == b"ID3" or start[0] == 0xFF


@pytest.mark.usefixtures("engine")
def test_a_file_is_never_replaced_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.wav").write_text("mine")
    assert generate("piano", "-o", "a.wav") == 2
    refused(capsys, "'a.wav'", "exists", "--overwrite")
    assert Path("a.wav").read_text() == "mine"
    assert generate("piano", "-o", "a.wav", "--overwrite") == 0
    assert read_audio("a.wav").seconds == 0.5


@pytest.mark.usefixtures("engine")
def test_unnamed_results_do_not_replace_each_other() -> None:
    generate("Warm felt piano!")
    generate("Warm felt piano!")
    assert files() == ["warm-felt-piano-2.wav", "warm-felt-piano.wav"]


def test_an_unwritable_output_is_found_before_the_model_is_loaded(
    engine: SineEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate("piano", "-o", "missing/a.wav") == 2
    refused(capsys, "missing/a.wav", "no file can be written to", "choose a folder")
    Path("file").write_text("")
    assert generate("piano", "-o", "file/a.wav") == 2
    refused(capsys, "file/a.wav", "choose a folder")
    assert engine.loaded == []
    assert files() == ["file"]


def test_missing_files_are_found_before_the_model_is_loaded(
    engine: SineEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate("--input-audio", "hum.wav") == 2
    refused(capsys, "input_audio is 'hum.wav'", "no such file", "give the path")
    assert generate("--melody-audio", "whistle.wav") == 2
    refused(capsys, "melody_audio is 'whistle.wav'", "no such file", "give the path")
    assert generate("piano", "--weights", "mine") == 2
    refused(capsys, "weights is 'mine'", "no such file or folder", "leave it out")
    assert generate("--input-audio", "x" * 300) == 2
    refused(capsys, "input_audio is 'xxx", "no such file", "give the path")
    Path("songs").mkdir()
    assert generate("--input-audio", "songs") == 2
    refused(capsys, "input_audio is 'songs'", "not a file", "give the path")
    assert engine.loaded == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["prompt is ''", "describe the music"]),
        (["piano", "--continuation"], ["no input_audio", "give an audio file"]),
        (["piano", "--duration", "0"], ["duration is 0.0", "above 0"]),
        (["piano", "--duration", "-3"], ["duration is -3.0", "above 0"]),
        (["piano", "--duration", "nan"], ["duration is nan", "above 0"]),
        (["piano", "--duration", "1e9"], ["duration is 1e+09 s", "SONGLOOM_MAX_DURATION"]),
        (["piano", "--duration", "long"], ["duration is 'long'", "a finite number"]),
        (["piano", "--top-k", "0"], ["top_k is 0 and top_p is 0.0", "set top_k"]),
        (["piano", "--top-k", "1.5"], ["top_k is '1.5'", "a whole number"]),
        (["piano", "--seed", "-2"], ["seed is -2", "-1 for none"]),
        (["piano", "--output-format", "aiff"], ["output_format is 'aiff'", "one of wav"]),
        (["piano", "-o", "a.m4a"], ["output is 'a.m4a'", ".wav", "rename it"]),
        (["piano", "-o", "a.wav", "--output-format", "mp3"], ["'a.wav'", "'mp3'", "end the name"]),
        (["piano", "-o", "-", "--count", "2"], ["count is 2", "one file"]),
        (["piano", "-o", "-", "--json"], ["--json", "name a file"]),
        (["piano", "--prompt", "organ"], ["given twice", "'piano'", "'organ'"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], words: list[str], engine: SineEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("generate", *arguments) == 2
    refused(capsys, *words)
    assert engine.loaded == []
    assert files() == []


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "arguments", [["--nope"], ["--count", "0"], ["--dtype", "int4"], ["one", "two"]]
)
def test_a_wrong_command_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("generate", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_an_error_of_the_engine_leaves_no_file(
    engine: SineEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ModelError("weights are half-written; fetch them again")

    engine.meanwhile = fail
    assert generate("piano", "-o", "a.wav") == 2
    refused(capsys, "half-written")
    assert files() == []


def test_ctrl_c_is_exit_code_130_and_leaves_no_file(
    engine: SineEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    engine.meanwhile = interrupt
    assert generate("piano", "-o", "a.wav") == 130
    assert "Traceback" not in capsys.readouterr().err
    assert files() == []


@pytest.mark.parametrize("extension", ["wav", "mp3", "flac", "ogg"])
def test_standard_output_holds_the_audio_alone(
    engine: SineEngine, extension: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    engine.meanwhile = lambda: print("a library's chatter")
    assert generate("piano", "-o", f"a.{extension}") == 0
    capfdbinary.readouterr()
    assert generate("piano", "-o", "-", "--output-format", extension) == 0
    captured = capfdbinary.readouterr()
    Path("piped").write_bytes(captured.out)
    assert torch.equal(read_audio("piped").samples, read_audio(f"a.{extension}").samples)
    assert b"chatter" in captured.err
    assert b"seed 1234" in captured.err


def test_audio_is_not_poured_into_a_terminal(
    engine: SineEngine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert generate("piano", "-o", "-") == 2
    refused(capsys, "standard output is a terminal", "redirect it")
    assert engine.loaded == []


def test_json_is_one_object_per_file(
    engine: SineEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.meanwhile = lambda: print("a library's chatter")
    assert generate("piano", "--json", "--seed", "3", "--count", "2", "-o", "a.wav") == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first.pop("seconds_taken") >= 0
    assert first == {
        "path": "a-1.wav",
        "model": "nano",
        "seed": 3,
        "duration": 0.5,
        "sample_rate": RATE,
        "channels": 1,
    }
    assert (second["path"], second["seed"]) == ("a-2.wav", 4)


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    listings = (
        ModelListing("nano", "embedded", "7M", 1, True, "Apache-2.0", True, Path("x"), 38_000_000),
        ModelListing("big", "hub/big", "3.3B", 2, False, "CC-BY-NC 4.0", False, None, None),
    )
    monkeypatch.setitem(vars(songloom), "list_models", lambda: listings)


@pytest.mark.usefixtures("catalogue")
def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["nano", "7M", "mono", "yes", "Apache-2.0", "38", "MB"] in lines
    assert ["big", "3.3B", "stereo", "no", "CC-BY-NC", "4.0", "no"] in lines


@pytest.mark.usefixtures("catalogue")
def test_models_are_listed_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "--json") == 0
    nano, big = json.loads(capsys.readouterr().out)
    assert (nano["name"], nano["local"], nano["size_bytes"]) == ("nano", True, 38_000_000)
    assert (big["source"], big["channels"], big["path"]) == ("hub/big", 2, None)


def test_export_passes_on_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, Path, str, bool]] = []

    def export(name: str, folder: Path, format: str, diffusion: bool) -> None:
        asked.append((name, folder, format, diffusion))

    monkeypatch.setitem(vars(songloom), "export", export)
    assert run("export", "nano", "out", "--format", "reference") == 0
    assert run("export", "nano", "out", "--diffusion") == 0
    assert asked == [
        ("nano", Path("out"), "reference", False),
        ("nano", Path("out"), "transformers", True),
    ]
    assert capsys.readouterr().out == "out\nout\n"


@pytest.mark.slow
def test_few_calls_lie_between_the_command_and_the_token_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package, step = str(Path(songloom.__file__).parent), LM.step
    calls: list[list[str]] = []

    def record(*arguments: Any) -> torch.Tensor:
        frames = traceback.extract_stack()
        calls.append([frame.name for frame in frames if frame.filename.startswith(package)])
        return step(*arguments)

    monkeypatch.setattr(LM, "step", record)
    model = tiny_model(tmp_path / "model", window_seconds=2.0)
    out = tmp_path / "a.wav"
    assert run("generate", "piano", "--model", model, "--duration", "0.2", "-o", out) == 0
    assert calls[0] == ["main", "generate", "_generate", "generate", "advance", "advance"]


def test_commands_are_listed_in_the_order_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    commands = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands[:4]] == ["generate", "train", "prepare", "serve"]


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"songloom {songloom.__version__}\n"
