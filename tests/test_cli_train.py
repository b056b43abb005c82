"""The commands that prepare songs and train: with stand-ins, and once for real on a tiny model."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import songloom
from songloom.checkpoints.listing import ModelListing
from songloom.errors import TrainingError
from songloom.fields import fields_of
from songloom.progress import Notice, PrepareProgress, Stage, TrainingProgress, ValidationProgress
from songloom.training_request import PrepareRequest, TrainingRequest
from tests.command_line import refused, run
from tests.dataset.songs import write_songs
from tests.tiny import tiny_model
from tests.training.summaries import findings
from tests.works import Works


@pytest.fixture(autouse=True)
def _restored_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands ask of PyTorch holds for a process, not for the tests that follow."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "")
    monkeypatch.delenv("OMP_WAIT_POLICY")


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Works:
    """Stand-ins for the real work, and an empty folder to be in."""
    works = Works()
    monkeypatch.setitem(vars(songloom), "prepare", works.prepare)
    monkeypatch.setitem(vars(songloom), "train", works.train)
    monkeypatch.chdir(tmp_path)
    return works


# Values that differ from every default.
PREPARE_VALUES: dict[str, Any] = {
    "dataset_path": Path("songs"),
    "auto_labeling": False,
    "drop_vocals": True,
    "one_same_description": "warm piano",
    "model_version": "small",
    "labels": Path("labels.csv"),
    "tagger": "clap",
    "labels_optional": True,
    "vocal_separator": "builtin",
    "held_out": 0.25,
    "processes": 3,
}
TRAINING_VALUES: dict[str, Any] = {
    **PREPARE_VALUES,
    "name": "mine",
    "epochs": 4,
    "updates_per_epoch": 5,
    "batch_size": 6,
    "optimizer": "adafactor",
    "lr": 0.002,
    "lr_scheduler": "inverse_sqrt",
    "warmup": 0,
    "cfg_p": 0.1,
    "full": True,
    "lora_rank": 4,
    "lora_alpha": 5.0,
    "lora_targets": "all",
    "adapt_decoder": False,
    "lora_dropout": 0.2,
    "weight_decay": 0.01,
    "max_grad_norm": 0.0,
    "ema_decay": 0.99,
    "window_seconds": 8.0,
    "precision": "bfloat16",
    "micro_batch": 2,
    "gradient_checkpointing": "on",
    "validate_every": 7,
    "patience": 2,
    "keep": "last",
    "save_minutes": 0.5,
    "max_minutes": 9.5,
    "previews": 0,
    "preview_seconds": 4.0,
    "preview_every": 3,
    "seed": 11,
    "device": "cpu",
}


def typed(request: type[PrepareRequest], values: dict[str, Any]) -> list[str]:
    """The arguments that ask for these values."""
    arguments = []
    for spec in fields_of(request):
        flag, value = "--" + spec.name.replace("_", "-"), values[spec.name]
        assert spec.required or value != spec.default
        if spec.required:
            arguments.append(str(value))
        elif spec.type is bool:
            arguments.append(flag if value else f"--no-{flag[2:]}")
        else:
            arguments += [flag, str(value)]
    return arguments


def test_every_field_of_a_training_has_an_option_that_reaches_it(works: Works) -> None:
    assert run("train", *typed(TrainingRequest, TRAINING_VALUES)) == 0
    assert works.requests == [TrainingRequest(**TRAINING_VALUES)]


def test_every_field_of_a_preparation_has_an_option_that_reaches_it(works: Works) -> None:
    assert run("prepare", *typed(PrepareRequest, PREPARE_VALUES), "-o", "data") == 0
    assert works.requests == [PrepareRequest(**PREPARE_VALUES)]
    assert works.folders == [Path("data")]


def test_what_is_left_out_has_the_request_s_default(works: Works) -> None:
    assert run("train", "songs") == 0
    assert run("prepare", "songs", "--output", "data") == 0
    assert works.requests == [TrainingRequest(Path("songs")), PrepareRequest(Path("songs"))]
    assert works.restarts == [False]


def test_the_model_may_be_called_by_the_short_name_of_the_option(works: Works) -> None:
    assert run("train", "songs", "--model", "melody") == 0
    assert run("prepare", "songs", "-o", "data", "--model", "melody") == 0
    assert [request.model_version for request in works.requests] == ["melody", "melody"]


def test_to_begin_anew_is_passed_on(works: Works) -> None:
    assert run("train", "songs", "--restart") == 0
    assert works.restarts == [True]


@pytest.mark.usefixtures("works")
@pytest.mark.parametrize("command", ["train", "prepare"])
def test_defaults_that_are_on_are_told(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    help_text = " ".join(capsys.readouterr().out.split())
    assert "--auto-labeling / --no-auto-labeling" in help_text
    assert "with or without voice. [default: on]" in help_text
    assert "[default: True]" not in help_text


@pytest.mark.usefixtures("works")
def test_training_tells_where_the_model_is_and_how_it_is_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("home/models/mine").mkdir(parents=True)
    Path("home/models/mine/report.html").touch()
    assert run("train", "songs") == 0
    captured = capsys.readouterr()
    assert captured.out == f"mine  {Path('home/models/mine')}\n"
    assert "The loss on the held-out song went from 4.00 to 3.00 nats." in captured.err
    assert str(Path("home/models/mine/report.html")) in captured.err
    assert "songloom generate --model 'mine'" in captured.err


def test_what_was_measured_of_sounds_is_told_first(
    works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    works.findings = findings()
    assert run("train", "songs") == 0
    said = capsys.readouterr().err
    assert said.index("can hardly carry this song") < said.index("nearer to the held-out song")
    assert said.index("nearer to the held-out song") < said.index("The loss on the held-out song")
    assert run("train", "songs", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["ceiling"]["grade"] == "hardly"
    assert printed["distances"]["after"] == 1.1
    assert printed["baselines"]["table"] == 3.5


def test_nothing_is_said_about_songs_that_were_not_held_out(
    works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    works.before = works.after = None
    assert run("train", "songs") == 0
    assert "held-out" not in capsys.readouterr().err


def test_a_training_s_result_for_machines(works: Works, capsys: pytest.CaptureFixture[str]) -> None:
    works.events = [Stage("training")]
    works.meanwhile = lambda: print("a library's chatter")
    assert run("train", "songs", "--json") == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed["held_out_songs"] == 1
    assert printed["ceiling"] is None
    assert (
        printed.items()
        >= {
            "name": "mine",
            "path": str(Path("home/models/mine")),
            "report": str(Path("home/models/mine/report.html")),
            "finished": True,
            "held_out_loss_before": 4.0,
            "held_out_loss_after": 3.0,
        }.items()
    )
    assert "chatter" in captured.err


@pytest.mark.usefixtures("works")
def test_prepared_songs_are_told_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "songs", "-o", "data") == 0
    captured = capsys.readouterr()
    header, _, first, second = (line for line in captured.out.splitlines() if line.strip())
    assert header.split() == ["song", "seconds", "bpm", "key", "labels"]
    assert " ".join(first.split()) == "a [live].wav 61 120 F# minor calm, quiet"
    assert second.split() == ["b.wav", "30", "held", "out"]
    assert "skipped 'c.wav': it is silent" in captured.err
    assert f"2 songs, 1.5 minutes, in 1 s. Captions and labels can be edited in {Path('data')}" in (
        captured.err
    )


def test_a_preparation_s_result_for_machines(
    works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    works.meanwhile = lambda: print("a library's chatter")
    assert run("prepare", "songs", "-o", "data", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "folder": "data",
        "songs": 2,
        "held_out": 1,
        "seconds": 91.25,
        "seconds_taken": 1.25,
        "skipped": [{"file": "c.wav", "reason": "it is silent"}],
    }
    assert "chatter" in captured.err


def test_events_are_lines_where_no_terminal_is(
    works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    works.events = [
        Stage("preparing the songs"),
        PrepareProgress(0, 2, 0.0, 91.25, ""),
        PrepareProgress(1, 2, 61.25, 91.25, "a.wav"),
        Notice("2 of 4 windows at once"),
        ValidationProgress(0, 4.0, (3.0, 5.0), best=False),
        TrainingProgress(1, 12, 3.5, 1e-4, 0.5, 640.4, 3725.0),
        ValidationProgress(12, 3.0, (2.0, 4.0), best=True),
    ]
    assert run("train", "songs") == 0
    assert capsys.readouterr().err.splitlines()[:6] == [
        "preparing the songs",
        "1 of 2 songs: 'a.wav'",
        "note: 2 of 4 windows at once",
        "update 0: held-out loss 4.000 (3.000, 5.000)",
        "update 1 of 12: loss 3.500, 640 frames/s, 1:02:05 left",
        "update 12: held-out loss 3.000 (2.000, 4.000), the best",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "songs", "--lr", "0"], ["lr is 0.0", "above 0", "leave it out"]),
        (["train", "songs", "--batch-size", "0"], ["batch_size is 0", "at least 1"]),
        (["train", "songs", "--epochs", "1.5"], ["epochs is '1.5'", "a whole number"]),
        (["train", "songs", "--optimizer", "sgd"], ["optimizer is 'sgd'", "one of dadam"]),
        (["train", "songs", "--cfg-p", "1.5"], ["cfg_p is 1.5", "from 0 to 1"]),
        (["train", "songs", "--held-out", "0.6"], ["held_out is 0.6", "from 0 to 0.5"]),
        (["train", ""], ["dataset_path is ''", "give one"]),
        (["prepare", "songs", "-o", "data", "--tagger", "ears"], ["tagger is 'ears'", "effnet"]),
        (["prepare", "songs", "-o", "data", "--processes", "0"], ["processes is 0"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], words: list[str], works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    refused(capsys, *words)
    assert works.requests == []


@pytest.mark.parametrize(
    "arguments", [["train"], ["prepare", "songs"], ["train", "a", "b"], ["train", "a", "--nope"]]
)
def test_a_wrong_command_is_exit_code_2(
    arguments: list[str], works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert works.requests == []


def test_an_error_of_the_work_is_one_line(works: Works, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise TrainingError("the loss is not finite; lower lr")

    works.meanwhile = fail
    assert run("train", "songs") == 2
    refused(capsys, "the loss is not finite")


@pytest.mark.parametrize(
    ("command", "said"),
    [(["train", "songs"], "after this update"), (["prepare", "songs", "-o", "d"], "stopping")],
)
def test_ctrl_c_lets_the_work_save_what_it_has(
    command: list[str], said: str, works: Works, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    works.meanwhile = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert run(*command) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "press Ctrl-C again" in captured.err
    assert captured.err.splitlines()[-1].startswith("songloom: it was stopped and saved")
    assert signal.getsignal(signal.SIGINT) is before


def test_threads_are_told_how_to_wait_before_the_work_begins(works: Works) -> None:
    seen: list[str | None] = []
    works.meanwhile = lambda: seen.append(os.environ.get("OMP_WAIT_POLICY"))
    run("train", "songs")
    assert seen == ["passive"]


def test_a_merge_passes_on_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, Path]] = []
    monkeypatch.setitem(vars(songloom), "merge", lambda *given: asked.append(given))
    assert run("merge", "mine", "whole") == 0
    assert asked == [("mine", Path("whole"))]
    assert capsys.readouterr().out == "whole\n"


def listing(name: str, kind: str, **values: Any) -> ModelListing:
    known = {
        "source": "nano",
        "parameters": "4.2M",
        "channels": 1,
        "melody": True,
        "licence": "Apache-2.0",
        "local": True,
        "path": Path(name),
        "size_bytes": 3_100_000,
        "base": "nano",
    }
    return ModelListing(name=name, kind=kind, **{**known, **values})  # type: ignore[arg-type]


def lines_of_models(
    listings: list[ModelListing],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[str]:
    monkeypatch.setitem(vars(songloom), "list_models", lambda: tuple(listings))
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


def test_trained_models_are_listed_with_what_they_were_trained_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = {"parameters": "?", "channels": None, "melody": None, "licence": "?", "local": False}
    header, _, *lines = lines_of_models(
        [
            listing("nano", "embedded", base=""),
            listing("waltz", "adapter"),
            listing("whole", "full", channels=2, melody=False),
            listing("far", "adapter", base="gone/base", **unknown),
            listing("half", "broken", base="", **unknown),
        ],
        monkeypatch,
        capsys,
    )
    assert header.endswith("on this machine trained from")
    assert lines == [
        "nano 4.2M mono yes Apache-2.0 3 MB",
        "waltz 4.2M mono yes Apache-2.0 3 MB nano",
        "whole 4.2M stereo no Apache-2.0 3 MB nano (all weights)",
        "far ? ? ? ? 3 MB, without its base gone/base",
        "half ? ? ? ? 3 MB broken: files are missing",
    ]


def test_without_trained_models_there_is_no_column_for_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *_ = lines_of_models([listing("nano", "embedded")], monkeypatch, capsys)
    assert "trained" not in header


@pytest.fixture
def small_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Songs, a tiny model, an empty home; gives the options that keep work on them short."""
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_songs(tmp_path / "songs", 4)
    tiny_model(tmp_path / "tiny")
    return ["--model", "tiny", "--processes", "1", "--no-auto-labeling"]


@pytest.mark.slow
def test_songs_become_a_model_that_can_be_used_merged_and_removed(
    small_world: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "songs" / "not a song.mp3").write_text("words")
    assert run("prepare", "songs", "-o", "data", *small_world, "--json") == 0
    prepared = json.loads(capsys.readouterr().out)
    assert (prepared["songs"], prepared["held_out"]) == (4, 1)
    assert [skipped["file"] for skipped in prepared["skipped"]] == ["not a song.mp3"]

    short = ["--epochs", "1", "--updates-per-epoch", "2", "--batch-size", "2", "--previews", "0"]
    train = ["train", "data", "--name", "mine", "--optimizer", "adamw", *small_world, *short]
    assert run(*train, "--json") == 0
    trained = json.loads(capsys.readouterr().out)
    assert (trained["name"], trained["finished"]) == ("mine", True)
    assert Path(trained["report"]).is_file()
    assert trained["held_out_loss_after"] > 0

    assert run(*train) == 2
    refused(capsys, "there is a model 'mine' already", "--restart")

    assert run("generate", "piano", "--model", "mine", "--duration", "0.5", "-o", "a.wav") == 0
    assert (tmp_path / "a.wav").is_file()
    assert run("merge", "mine", "whole") == 0
    assert (tmp_path / "whole" / "model.safetensors").is_file()
    capsys.readouterr()

    run_folder = tmp_path / "home" / "runs" / "mine"
    assert run("models", "remove", "mine") == 0
    said = capsys.readouterr()
    assert said.out == f"{trained['path']}\n"
    assert said.err == f"removed {run_folder}, the folder of its training\n"
    assert not run_folder.exists()
    assert run("models", "remove", "mine") == 2
    refused(capsys, "there is no trained model 'mine'")


@pytest.mark.usefixtures("small_world")
def test_songs_that_are_not_there_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("prepare", "nowhere", "-o", "data", "--model", "tiny") == 2
    refused(capsys, "'nowhere' cannot be opened", "check the name")
    (tmp_path / "empty").mkdir()
    assert run("prepare", "empty", "-o", "data", "--model", "tiny") == 2
    refused(capsys, "empty holds no songs")
