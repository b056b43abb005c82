"""From songs to a model with a name, on tiny models."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

import songloom
from songloom.audio.files import Audio, read_audio, write_audio
from songloom.checkpoints.bases import find_dependents
from songloom.checkpoints.home import home, model_folder
from songloom.checkpoints.load import load_components
from songloom.checkpoints.sources import find_source
from songloom.errors import (
    BaseChangedError,
    Cancelled,
    DatasetError,
    ModelError,
    OutputError,
    TrainingError,
)
from songloom.finetuning import pipeline, previews
from songloom.finetuning.pipeline import train
from songloom.generation.model import load
from songloom.progress import (
    DecoderProgress,
    Notice,
    PrepareProgress,
    ProgressEvent,
    Stage,
    TrainingPreview,
    TrainingProgress,
)
from songloom.request import GenerationRequest
from songloom.training import decoder_adaptation
from songloom.training.state import load_state, save_state
from songloom.training_request import PrepareRequest, TrainingRequest
from tests.tiny import tiny_model

pytestmark = pytest.mark.slow
RATE = 32_000


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five short songs, one of them with a description."""
    folder = tmp_path_factory.mktemp("my songs")
    time = torch.arange(3 * RATE) / RATE
    for i in range(5):
        wave = torch.sin(2 * torch.pi * 110 * (i + 2) * time) * torch.cos(4 * time + i) * 0.5
        noise = torch.randn(len(time), generator=torch.Generator().manual_seed(i)) * 0.05
        write_audio(folder / f"song {i}.wav", Audio((wave + noise)[None], RATE), format="wav")
    (folder / "song 0.txt").write_text("warm piano")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base"), melody=True)


def request(songs: Path, base: Path, **values: Any) -> TrainingRequest:
    defaults: dict[str, Any] = {
        "dataset_path": songs,
        "model_version": str(base),
        "name": "mine",
        "epochs": 2,
        "updates_per_epoch": 2,
        "batch_size": 2,
        "window_seconds": 1.0,
        "optimizer": "adamw",
        "lr": 0.01,
        "processes": 1,
        "preview_seconds": 1.0,
        "previews": 1,
    }
    return TrainingRequest(**{**defaults, **values})


def test_songs_become_a_model_that_generates(songs: Path, base: Path) -> None:
    events: list[ProgressEvent] = []
    trained = train(request(songs, base), on_event=events.append)
    assert trained.name == "mine"
    assert trained.path == model_folder("mine")
    assert trained.finished
    assert trained.before is not None
    assert trained.after is not None
    assert trained.after.loss < trained.before.loss
    assert {path.name for path in trained.path.iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "report.html",
        "songloom.json", "training_request.json",
    }  # fmt: skip
    stages = [event.name for event in events if isinstance(event, Stage)]
    assert stages[1:] == [
        "preparing the songs", "training", "generating with the model as it was",
        "generating with the new model", "measuring",
    ]  # fmt: skip
    track = load("mine").generate(GenerationRequest(prompt="warm piano", duration=0.5, seed=1))
    plain = load(base).generate(GenerationRequest(prompt="warm piano", duration=0.5, seed=1))
    assert track.seconds == 0.5
    assert not torch.equal(track.audio, plain.audio)
    [listing] = [model for model in songloom.list_models() if model.name == "mine"]
    assert (listing.kind, listing.base) == ("adapter", str(base))


def test_what_is_known_about_the_model(songs: Path, base: Path) -> None:
    asked = request(songs, base)
    trained = train(asked)
    facts = json.loads((trained.path / "songloom.json").read_text())
    assert facts["base"] == str(base)
    assert facts["songs"] == 5
    assert facts["updates"] == 4
    assert facts["held_out_loss_after"] == round(trained.after.loss, 4)  # type: ignore[union-attr]
    stored = json.loads((trained.path / "training_request.json").read_text())
    assert TrainingRequest.from_mapping(stored) == asked
    report = trained.report.read_text()
    assert "song 3.wav" in report
    assert report.count("<audio") == 4  # two of them the held-out song, and through the codec
    assert "song 3" not in (trained.path / "README.md").read_text()  # which gets published


def test_all_weights(songs: Path, base: Path, tmp_path: Path) -> None:
    from transformers import MusicgenMelodyForConditionalGeneration

    trained = train(request(songs, base, full=True, previews=0))
    assert (trained.path / "model.safetensors").is_file()
    assert load("mine").info.parameters == load(base).info.parameters
    model, problems = MusicgenMelodyForConditionalGeneration.from_pretrained(
        trained.path, output_loading_info=True
    )
    assert not problems["missing_keys"]
    assert model.config.num_chroma == 12


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_adaptation, "STEPS", 4)
    monkeypatch.setattr(decoder_adaptation, "MEASURE_EVERY", 2)
    monkeypatch.setattr(decoder_adaptation, "WORST", 10.0)  # of random networks all may happen
    monkeypatch.setattr(decoder_adaptation, "LEAST_GAIN", -10.0)
    monkeypatch.setattr(decoder_adaptation, "LEARNING_RATE", 0.05)


@pytest.mark.usefixtures("few_steps")
def test_the_decoder_is_tuned_first(songs: Path, base: Path) -> None:
    asked = request(songs, base, adapt_decoder=True)
    steps: list[int] = []

    def note(event: ProgressEvent) -> None:
        if isinstance(event, DecoderProgress):
            steps.append(event.step)

    with pytest.raises(Cancelled, match="decoder was stopped after step 1 of 4"):
        train(asked, on_event=note, cancelled=lambda: len(steps) == 1)
    assert not model_folder("mine").exists()
    trained = train(asked, on_event=note)
    assert steps == [1, 2, 3, 4]
    assert (trained.path / "codec_decoder.safetensors").is_file()
    assert not (home() / "runs" / "mine" / "decoder.pt").exists()
    ceiling = trained.summary.findings.ceiling
    assert ceiling is not None
    assert ceiling.before is not None
    assert ceiling.fidelity != ceiling.before
    model = load(base)
    plain = model.generate(GenerationRequest(prompt="warm piano", duration=0.5, seed=1))
    codec = load_components("mine").codec
    assert codec.fingerprint() == load_components(base).codec.fingerprint()
    assert not torch.equal(
        codec.decode(plain.tokens), load_components(base).codec.decode(plain.tokens)
    )


@pytest.mark.usefixtures("few_steps")
def test_a_whole_model_has_the_tuned_decoder_in_it(songs: Path, base: Path) -> None:
    trained = train(request(songs, base, adapt_decoder=True, full=True, previews=0))
    assert not (trained.path / "codec_decoder.safetensors").exists()
    codes = torch.zeros(4, 20, dtype=torch.long)
    old, new = (load_components(name).codec.decode(codes) for name in (base, "mine"))
    assert not torch.equal(old, new)


def test_little_music_tunes_no_decoder_unasked(songs: Path, base: Path) -> None:
    events: list[ProgressEvent] = []
    train(request(songs, base, previews=0), on_event=events.append)
    assert not any(isinstance(event, DecoderProgress) for event in events)


def test_without_music_to_measure_on_no_decoder_is_tuned(songs: Path, base: Path) -> None:
    events: list[ProgressEvent] = []
    asked = request(songs, base, adapt_decoder=True, held_out=0.0, previews=0)
    trained = train(asked, on_event=events.append)
    assert any("the decoder is not tuned" in e.text for e in events if isinstance(e, Notice))
    assert trained.summary.findings.ceiling is not None
    assert not trained.summary.findings.ceiling.held_out


@pytest.mark.parametrize("kind", [{"channels": 2}, {"melody": True, "channels": 2}])
def test_text_and_stereo_models(songs: Path, tmp_path: Path, kind: dict[str, Any]) -> None:
    model = tiny_model(tmp_path / "model", **kind)
    trained = train(request(songs, model, lora_targets="all", previews=0))
    assert trained.after is not None
    assert len(trained.after.per_codebook) == 8
    track = load("mine").generate(GenerationRequest(prompt="piano", duration=0.2, seed=1))
    assert track.audio.shape[0] == 2


def test_a_data_set_is_trained_on_as_it_is(songs: Path, base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    prepare = PrepareRequest(dataset_path=songs, model_version=str(base), processes=1)
    songloom.prepare(prepare, folder)
    shutil.rmtree(home(), ignore_errors=True)
    trained = train(request(folder, base, previews=0))
    assert trained.dataset.folder == folder
    assert not (home() / "runs" / "mine" / "dataset").exists()


def test_a_data_set_of_another_codec_is_refused(songs: Path, base: Path, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "other", card=32)
    folder = tmp_path / "dataset"
    songloom.prepare(
        PrepareRequest(dataset_path=songs, model_version=str(other), processes=1), folder
    )
    with pytest.raises(DatasetError, match="codec"):
        train(request(folder, base))
    assert songloom.list_models()[-1].name != "mine"


def test_stopped_it_goes_on(songs: Path, base: Path) -> None:
    updates: list[int] = []

    def note(event: ProgressEvent) -> None:
        if isinstance(event, TrainingProgress):
            updates.append(event.step)

    with pytest.raises(Cancelled, match="after update 2 of 4"):
        train(request(songs, base), on_event=note, cancelled=lambda: len(updates) == 2)
    assert not model_folder("mine").exists()
    trained = train(request(songs, base), on_event=note)
    assert updates == [1, 2, 3, 4]
    assert trained.finished
    assert sorted(path.name for path in (home() / "runs" / "mine").iterdir()) == [
        ".lock", "clips", "dataset", "tensorboard"
    ]  # fmt: skip


def test_other_settings_or_songs_or_base_are_refused_until_a_restart(
    songs: Path, base: Path, tmp_path: Path
) -> None:
    updates: list[ProgressEvent] = []

    def stop() -> bool:
        return any(isinstance(event, TrainingProgress) for event in updates)

    with pytest.raises(Cancelled):
        train(request(songs, base), on_event=updates.append, cancelled=stop)
    with pytest.raises(TrainingError, match=r"lora_rank was 16 and is now 8.*--restart"):
        train(request(songs, base, lora_rank=8))
    other = tiny_model(tmp_path / "other", melody=True, seed=1)
    with pytest.raises((TrainingError, OutputError), match=r"base was|another"):
        train(request(songs, other))
    trained = train(request(songs, base, lora_rank=8, previews=0), restart=True)
    assert json.loads((trained.path / "adapter_config.json").read_text())["r"] == 8


def stopped(updates: list[ProgressEvent]) -> bool:
    return any(isinstance(event, TrainingProgress) for event in updates)


def test_a_training_whose_base_was_trained_again_does_not_go_on(songs: Path, base: Path) -> None:
    """Whatever was changed in the base: LoRA leaves most of its weights as they are."""
    train(request(songs, base, name="first", previews=0))
    on_first = request(songs, base, name="third", model_version="first", previews=0)
    updates: list[ProgressEvent] = []
    with pytest.raises(Cancelled):
        train(on_first, on_event=updates.append, cancelled=lambda: stopped(updates))
    before = find_source("first").fingerprint()[:12]
    train(request(songs, base, name="first", previews=0, lr=0.02), restart=True)
    after = find_source("first").fingerprint()[:12]
    with pytest.raises(
        TrainingError, match=rf"base was 'first' .*{before}.* now 'first' .*{after}"
    ):
        train(on_first)
    train(on_first, restart=True)
    assert find_dependents("first") == ("third",)
    events: list[ProgressEvent] = []
    train(request(songs, base, name="first", previews=0), restart=True, on_event=events.append)
    assert any(isinstance(e, Notice) and "'third' can't be used" in e.text for e in events)
    with pytest.raises(BaseChangedError):
        load("third")


def test_the_base_is_known_by_content_when_it_goes_on(
    songs: Path, base: Path, tmp_path: Path
) -> None:
    updates: list[ProgressEvent] = []
    with pytest.raises(Cancelled):
        train(request(songs, base), on_event=updates.append, cancelled=lambda: stopped(updates))
    moved = shutil.copytree(base, tmp_path / "moved")
    assert train(request(songs, Path(moved), previews=0)).finished


def test_a_state_of_an_earlier_version_goes_on(songs: Path, base: Path) -> None:
    """Its settings know the base by name and a digest of few weights."""
    updates: list[ProgressEvent] = []
    with pytest.raises(Cancelled):
        train(request(songs, base), on_event=updates.append, cancelled=lambda: stopped(updates))
    state = load_state(home() / "runs" / "mine")
    assert state is not None
    now = state.settings["base"]
    state.settings["base"] = f"{now['name']} {'0' * 16}"
    save_state(state, home() / "runs" / "mine")
    with pytest.raises(TrainingError, match="base was"):
        train(request(songs, base))
    state.settings["base"] = f"{now['name']} {now['outline']}"
    save_state(state, home() / "runs" / "mine")
    assert train(request(songs, base, previews=0)).finished


def test_a_base_given_by_a_relative_path_is_found_from_elsewhere(
    songs: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(base, here / "exp1")
    tiny_model(there / "exp1", melody=True, seed=4)  # another model of that name
    monkeypatch.chdir(here)
    trained = train(request(songs, Path("./exp1"), model_version="./exp1", previews=0))
    facts = json.loads((trained.path / "songloom.json").read_text())
    stored = json.loads((trained.path / "training_request.json").read_text())
    config = json.loads((trained.path / "adapter_config.json").read_text())
    whole = str(here.resolve() / "exp1")
    assert facts["base"] == stored["model_version"] == config["base_model_name_or_path"] == whole
    assert facts["base_fingerprint"] == find_source(whole).fingerprint()
    monkeypatch.chdir(there)
    assert load("mine").info.path == here.resolve() / "exp1"


def test_a_name_that_is_taken(songs: Path, base: Path) -> None:
    train(request(songs, base, previews=0))
    before = (model_folder("mine") / "adapter_model.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"'mine' already.*models remove mine.*--restart"):
        train(request(songs, base, lr=0.5))
    assert (model_folder("mine") / "adapter_model.safetensors").read_bytes() == before
    train(request(songs, base, lr=0.5, previews=0), restart=True)
    assert (model_folder("mine") / "adapter_model.safetensors").read_bytes() != before


@pytest.mark.parametrize("name", ["nano", "../x", "a/b", "", ".hidden"])
def test_names_that_no_model_can_have(songs: Path, base: Path, name: str) -> None:
    with pytest.raises(ModelError, match="can't be the name of a model"):
        train(request(songs, base, name=name or " "))


def test_two_trainings_of_one_name_at_once(songs: Path, base: Path) -> None:
    run = home() / "runs" / "mine"
    run.mkdir(parents=True)
    with (
        FileLock(run / ".lock"),
        pytest.raises(TrainingError, match="'mine' is running already"),
    ):
        train(request(songs, base))


def test_a_failure_at_the_end_loses_no_training(
    songs: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_weights", full)
        with pytest.raises(OutputError, match=r"No space left on device.*training itself is saved"):
            train(request(songs, base))
    assert list(model_folder("mine").parent.iterdir()) == []
    events: list[ProgressEvent] = []
    assert train(request(songs, base), on_event=events.append).finished
    assert not any(isinstance(event, TrainingProgress) for event in events)


def test_songs_that_are_left_out_are_told(songs: Path, base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    shutil.copytree(songs, folder)
    (folder / "bad.mp3").write_bytes(b"not a song")
    events: list[ProgressEvent] = []
    trained = train(request(folder, base, previews=0), on_event=events.append)
    assert len(trained.dataset.songs) == 5
    told = [event.text for event in events if isinstance(event, Notice)]
    assert any("'bad.mp3' is left out: it is not audio" in text for text in told)


def test_no_songs(base: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="missing"):
        train(request(tmp_path / "missing", base))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty"):
        train(request(tmp_path / "empty", base))


def test_all_songs_held_out(songs: Path, base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    songloom.prepare(
        PrepareRequest(dataset_path=songs, model_version=str(base), processes=1), folder
    )
    path = folder / "songs.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "held_out": True}) + "\n" for line in lines))
    with pytest.raises(DatasetError, match=r"all 5 are held out.*songs\.jsonl"):
        train(request(folder, base))


def test_a_removed_model_may_leave_its_prepared_songs(songs: Path, base: Path) -> None:
    train(request(songs, base, previews=0))
    events: list[ProgressEvent] = []
    songloom.remove_model("mine", keep_run=True)
    assert list((home() / "models").iterdir()) == []
    train(request(songs, base, previews=0), on_event=events.append)
    prepared = [event.song for event in events if isinstance(event, PrepareProgress)]
    assert prepared == [""]  # all songs are there, and none was finished now


def test_a_removed_model_leaves_nothing(songs: Path, base: Path) -> None:
    train(request(songs, base, previews=0))
    songloom.remove_model("mine")
    assert list((home() / "models").iterdir()) == []
    assert list((home() / "runs").iterdir()) == []


@pytest.fixture
def short_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "SECONDS", 0.5)


@pytest.mark.usefixtures("short_clips")
def test_clips_on_the_way_and_what_is_compared(songs: Path, base: Path) -> None:
    events: list[ProgressEvent] = []
    train(request(songs, base, preview_every=1), on_event=events.append)
    previews = [event for event in events if isinstance(event, TrainingPreview)]
    assert [preview.step for preview in previews] == [1, 2, 3]  # the last is compared anyway
    assert len({preview.prompt for preview in previews}) == 1
    folder = home() / "runs" / "mine" / "clips"
    assert {path.name for path in folder.iterdir()} == {
        "preview-000001.mp3", "preview-000002.mp3", "preview-000003.mp3",
        "before-1.mp3", "after-1.mp3", "song-original-1.mp3", "song-heard-1.mp3",
        "comparison.json",
    }  # fmt: skip
    assert len({path.read_bytes() for path in folder.glob("preview-*")}) == 3
    assert read_audio(previews[0].path).seconds == pytest.approx(0.5, abs=0.1)
    told = json.loads((folder / "comparison.json").read_text())
    assert [clip["before"] for clip in told["clips"]] == ["before-1.mp3"]
    assert told["held_out_loss_after"] < told["held_out_loss_before"]
    assert told["memorisation"]["verdict"] in ("clear", "unusual", "copied")
    assert told["memorisation"]["finding"]
    assert told["verdict"].startswith("This model can ")
    assert told["ceiling"]["songs"] == 1
    assert told["distances"]["after"] > 0
    assert told["baselines"]["uniform"] == pytest.approx(math.log(64))
    train(request(songs, base, previews=0), restart=True)
    assert {path.name for path in folder.iterdir()} == {
        "comparison.json", "song-original-1.mp3", "song-heard-1.mp3",
    }  # fmt: skip


@pytest.mark.usefixtures("short_clips")
def test_clips_on_the_way_change_nothing_that_is_learned(songs: Path, base: Path) -> None:
    values: dict[str, Any] = {"previews": 0, "ema_decay": 0.5, "lora_dropout": 0.1}
    with_clips = train(request(songs, base, preview_every=1, **values))
    weights = load_file(with_clips.path / "adapter_model.safetensors")
    without = load_file(
        train(request(songs, base, **values), restart=True).path / "adapter_model.safetensors"
    )
    assert without.keys() == weights.keys()
    assert all(torch.equal(without[name], weight) for name, weight in weights.items())


def test_a_clip_that_is_given_up_or_has_no_memory_stops_no_training(
    songs: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("songloom.generation.model.Model.generate", full)
    events: list[ProgressEvent] = []
    train(request(songs, base, preview_every=2, previews=0), on_event=events.append)
    assert Notice("there is no memory for a clip after 2 updates") in events
    monkeypatch.undo()


@pytest.mark.usefixtures("short_clips")
def test_a_training_that_is_stopped_in_a_clip_goes_on(songs: Path, base: Path) -> None:
    asked = request(songs, base, preview_every=1, previews=0)
    updates = 0

    def count(event: ProgressEvent) -> None:
        nonlocal updates
        updates += isinstance(event, TrainingProgress)

    with pytest.raises(Cancelled, match="after update 1 of 4"):
        train(asked, on_event=count, cancelled=lambda: updates >= 1)
    train(asked, on_event=count)
    assert updates == 4
