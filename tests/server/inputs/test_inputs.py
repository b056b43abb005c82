"""Inputs: what is accepted, what is refused and how, and the work that comes of it."""

import asyncio
import base64
import gc
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.checkpoints.home import models_folder
from songloom.errors import FetchError
from songloom.jobs.messages import Work
from songloom.jobs.paths import datasets_folder, files_folder, job_folder, jobs_folder
from songloom.jobs.store.records import Job, StoredFile
from songloom.jobs.store.store import Store
from songloom.request import GenerationRequest
from songloom.server.datasets.store import DatasetStore
from songloom.server.files.fetch import Fetcher, FetchRules
from songloom.server.files.uploads import FileFolder
from songloom.server.http.signing import Signer
from songloom.server.inputs.contract import wire_inputs
from songloom.server.inputs.inputs import (
    Checked,
    InputError,
    Problem,
    Resolver,
    as_taken,
    check_prediction,
    check_training,
)
from songloom.server.inputs.model_index import ORIGINAL_IDS, ModelIndex
from songloom.settings import ServeSettings
from songloom.training_request import TrainingRequest

SONGS = "https://music.example/songs.zip"
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(40)
PICKLE = b"\x80\x02 not really"


class Bench:
    """The parts of a server that inputs need."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = ServeSettings(folder=folder / "server", **settings)
        self.store = Store(f"sqlite:///{folder / 'store.db'}")
        self.library = ModelIndex(self.store, self.settings)
        self.files = FileFolder(files_folder(self.settings))
        self.signer = Signer.from_store(self.store)
        self.jobs = jobs_folder(self.settings)
        self.resolver = Resolver(
            self.settings,
            self.store,
            self.library,
            Fetcher(FetchRules((), (), 1_000_000, 5.0)),
            self.files,
            DatasetStore(datasets_folder(self.settings)),
            self.signer,
            self.jobs,
        )

    def prediction(self, model: str | None = None, /, **input: Any) -> Checked:
        return check_prediction(input, self.settings, self.library, model=model)

    def training(self, model: str | None = None, /, **input: Any) -> Checked:
        return check_training(
            {"dataset_path": SONGS} | input, self.settings, self.library, model=model
        )

    def work(self, job: Job) -> Work:
        folder = job_folder(self.jobs, job.id)
        folder.mkdir(parents=True, exist_ok=True)
        return asyncio.run(self.resolver.prepare(job, folder))

    def predicted(self, id: str = "j1", /, attempts: int = 0, **input: Any) -> Work:
        checked = self.prediction(**input)
        job = Job(id, "prediction", "cog", input, checked.model, seed=checked.seed)
        return self.work(replace(job, attempts=attempts))

    def upload(self, content: bytes, name: str = "song.wav", id: str = "f1") -> str:
        self.store.add_file(StoredFile(id, name, "audio/wav", len(content), "00"))
        self.files.path(id).write_bytes(content)
        return f"http://elsewhere.example:8000/v1/files/{id}"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def data_url(content: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"


def packed() -> bytes:
    """A plain tar, as trainings on a server hand out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("adapter_config.json"))
    return buffer.getvalue()


def trained(name: str) -> None:
    folder = models_folder() / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")


def problems(error: pytest.ExceptionInfo[InputError]) -> dict[str, str]:
    return {problem.field: problem.type for problem in error.value.problems}


# Checking predictions


def test_a_prompt_is_enough(bench: Bench) -> None:
    checked = bench.prediction(prompt="bells")
    assert checked.model == "nano"
    assert checked.notes == ()
    assert checked.seed is not None
    assert 0 <= checked.seed < 2**31


def test_seeds_are_drawn_anew_unless_given(bench: Bench) -> None:
    drawn = {bench.prediction(prompt="bells", seed=seed).seed for seed in (None, -1, -1, None)}
    assert len(drawn) > 1
    assert bench.prediction(prompt="bells", seed=0).seed == 0


def test_null_is_not_given(bench: Bench) -> None:
    nothing = dict.fromkeys(wire.name for wire in wire_inputs("prediction"))
    assert bench.prediction(**nothing | {"prompt": "bells"}).notes == ()
    with pytest.raises(InputError) as refused:
        bench.prediction(**nothing)
    assert problems(refused) == {"prompt": "value_error"}
    with pytest.raises(InputError):
        check_prediction(None, bench.settings, bench.library)


def test_a_blank_in_a_form_is_not_given(bench: Bench) -> None:
    checked = bench.prediction(
        prompt="bells", input_audio="", replicate_weights="", model="", seed="", continuation_end=""
    )
    assert checked.model == "nano"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"duration": "8"}, {"duration": 8}),
        ({"duration": 0.5}, {"duration": 0.5}),
        ({"top_k": "10", "top_p": ".5"}, {"top_k": 10, "top_p": 0.5}),
        ({"top_k": 10.0}, {"top_k": 10}),
        ({"continuation": "off"}, {"continuation": False}),
        ({"multi_band_diffusion": 1}, {"multi_band_diffusion": True}),
        ({"classifier_free_guidance": 2.5}, {"classifier_free_guidance": 2.5}),
        ({"output_format": "flac"}, {"output_format": "flac"}),
        ({"output_format": "ogg", "count": 16}, {"output_format": "ogg", "count": 16}),
        ({"prompt": 5}, {"prompt": "5"}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"seed": "7"}, {"seed": 7}),
        ({"continuation_end": -1}, {"continuation_end": None}),
        ({"melody_audio": SONGS, "melody_stems": "none"}, {"melody_audio": SONGS}),
    ],
    ids=str,
)
def test_more_is_accepted_than_is_offered(
    bench: Bench, given: dict[str, Any], taken: dict[str, Any]
) -> None:
    input = {"prompt": "bells"} | given
    assert bench.prediction(**input).notes == ()
    understood = as_taken("prediction", input)
    assert {name: understood[name] for name in taken} == taken


def test_a_fraction_that_is_cut_is_told(bench: Bench) -> None:
    assert bench.prediction(prompt="bells", top_k=9.9).notes == ("top_k 9.9 is taken as 9",)


def test_what_can_not_be_shown_again_is_refused(bench: Bench) -> None:
    deep: Any = 0
    for _ in range(900):
        deep = [deep]
    for value in (deep, {"a": float("inf")}, ["\ud800"], {"\ud800": 1}):
        with pytest.raises(InputError) as refused:
            bench.prediction(prompt="bells", unknown=value)
        assert problems(refused) == {"unknown": "value_error"}


def test_files_inside_a_request_are_not_kept_in_memory(bench: Bench) -> None:
    url = data_url(b"-" * 100_000)
    bench.predicted(input_audio=url, replicate_weights=url, prompt="x")
    cached = [object for object in gc.get_objects() if type(object) is SplitResult]
    assert not any(len(parts.path) > 100_000 for parts in cached)


def test_unknown_inputs_are_left_out_and_told(bench: Bench) -> None:
    (note,) = bench.prediction(prompt="bells", colour="red", **{"a\n\0": [{}]}).notes
    assert note == "left out, as no inputs are called so: 'colour', 'a\\n\\x00'"
    (note,) = bench.prediction(prompt="bells", **{f"x{i}" * 100: i for i in range(50)}).notes
    assert note.endswith("... and 30 more") or note.endswith("' and 30 more")
    assert len(note) < 3000
    assert as_taken("prediction", {"prompt": "bells", "colour": "red"}) == {"prompt": "bells"}


@pytest.mark.parametrize(
    ("field", "value", "type"),
    [
        ("prompt", ["bells"], "type_error.str"),
        ("prompt", True, "type_error.str"),
        ("prompt", "\ud800", "type_error.str"),
        ("duration", "long", "type_error.float"),
        ("duration", True, "type_error.float"),
        ("duration", 0, "value_error.number.not_gt"),
        ("duration", float("nan"), "type_error.float"),
        ("duration", float("inf"), "type_error.float"),
        ("duration", "nan", "type_error.float"),
        ("duration", 10**400, "type_error.float"),
        ("duration", "9" * 5000, "type_error.float"),
        ("continuation", "perhaps", "value_error.strictbool"),
        ("continuation", 2, "value_error.strictbool"),
        ("continuation_start", -1, "value_error.number.not_ge"),
        ("continuation_end", -2, "value_error.number.not_ge"),
        ("top_k", {}, "type_error.integer"),
        ("top_k", "1e3", "type_error.integer"),
        ("top_k", 2**63, "type_error.integer"),
        ("top_p", 1.1, "value_error.number.not_le"),
        ("normalization_strategy", "loud", "type_error.enum"),
        ("output_format", 3, "type_error.enum"),
        ("seed", -2, "value_error.number.not_ge"),
        ("count", 17, "value_error.number.not_le"),
        ("count", 0, "value_error.number.not_ge"),
        ("melody_stems", "drums", "type_error.enum"),
        ("input_audio", 5, "value_error"),
        ("input_audio", "song.wav", "value_error"),
        ("input_audio", "/etc/passwd", "value_error"),
        ("input_audio", "file:///etc/passwd", "value_error"),
        ("input_audio", "ftp://music.example/x", "value_error"),
        ("input_audio", "http://", "value_error"),
        ("input_audio", "https:///x.wav", "value_error"),
        ("input_audio", "http://[x", "value_error"),
        ("input_audio", "https://music.example/\udcff", "value_error"),
        ("model", "nobody", "value_error"),
        ("model", "someone/theirs", "value_error"),
        ("model", "/etc", "value_error"),
        ("model", 7.5, "value_error"),
        ("replicate_weights", "../../weights.tar", "value_error"),
    ],
)
def test_what_makes_no_sense_is_refused(bench: Bench, field: str, value: Any, type: str) -> None:
    with pytest.raises(InputError) as refused:
        bench.prediction(**{"prompt": "bells", field: value})
    (problem,) = refused.value.problems
    assert (problem.field, problem.type) == (field, type)
    assert problem.message.startswith(f"{field} is ")
    assert "but must be" in problem.message
    assert len(problem.message) < 500
    problem.message.encode()


def test_local_paths_are_no_models_even_where_they_lead_to_one(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained("style")
    (tmp_path / "owner").mkdir()
    (models_folder() / "style").rename(tmp_path / "owner" / "style")
    monkeypatch.chdir(tmp_path)
    for name in ("owner/style", "./owner/style", str(tmp_path / "owner" / "style")):
        for field in ("model", "replicate_weights"):
            with pytest.raises(InputError):
                bench.prediction(prompt="bells", **{field: name})


def test_all_mistakes_are_told_at_once(bench: Bench) -> None:
    with pytest.raises(InputError) as refused:
        bench.prediction(prompt=[], duration="x", top_p=2, unknown=float("nan"))
    assert problems(refused) == {
        "prompt": "type_error.str",
        "duration": "type_error.float",
        "top_p": "value_error.number.not_le",
        "unknown": "value_error",
    }


@pytest.mark.parametrize(
    ("input", "field"),
    [
        ({"prompt": " "}, "prompt"),
        ({"duration": 601}, "duration"),
        ({"continuation": True}, "continuation"),
        ({"continuation": True, "input_audio": SONGS, "continuation_start": 3,
          "continuation_end": 2}, "continuation_end"),
        ({"continuation": True, "input_audio": SONGS, "continuation_end": 9}, "duration"),
        ({"top_k": 0}, "top_k"),
        ({"input_audio": f"{SONGS}?key=secret", "melody_audio": SONGS}, "input_audio"),
        ({"seed": 2**63 - 1, "count": 2}, "seed"),
    ],
)  # fmt: skip
def test_combinations_that_make_no_sense(bench: Bench, input: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        bench.prediction(**{"prompt": "bells"} | input)
    assert problems(refused) == {field: "value_error"}
    assert "secret" not in str(refused.value)


def test_secrets_of_urls_stay_secret(bench: Bench) -> None:
    with pytest.raises(InputError) as refused:
        bench.prediction(prompt="bells", input_audio="ftp://music.example/x?key=secret")
    assert "secret" not in str(refused.value)


def test_whose_model_wins(bench: Bench) -> None:
    trained("style")
    assert bench.prediction("small", prompt="bells").model == "small"
    assert bench.prediction("small", prompt="bells", model="medium").model == "medium"
    assert bench.prediction("small", prompt="x", replicate_weights="style").model == "style"
    both = {"model": "medium", "replicate_weights": "me/style"}
    assert bench.prediction("small", prompt="x", **both).model == "style"
    urls = {"model": "medium", "replicate_weights": SONGS}
    assert bench.prediction("small", prompt="x", **urls).model == "medium"
    assert bench.prediction(prompt="x", model=ORIGINAL_IDS[0]).model == "nano"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from([SONGS, "nano", "wav", "-1", "true", "1e400", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([wire.name for wire in wire_inputs("prediction")]) | st.text(max_size=5),
        json_values,
        max_size=6,
    )
)
def test_any_json_is_accepted_or_refused(input: dict[str, Any]) -> None:
    settings = ServeSettings()
    refused: tuple[Problem, ...] = ()
    try:
        checked = check_prediction(input, settings, ModelIndex(Nothing(), settings))  # type: ignore[arg-type]
    except InputError as error:
        refused = error.problems
        json.dumps([problem.message for problem in refused], ensure_ascii=False).encode()
    if refused:
        return
    assert checked.seed is not None
    json.dumps(input, ensure_ascii=False, allow_nan=False).encode()  # it can be shown again
    taken = as_taken("prediction", input)
    request = GenerationRequest(
        **{k: v for k, v in taken.items() if k not in ("replicate_weights", "model", "count")}
    )
    assert request.to_mapping()


class Nothing:
    """A store without versions."""

    def published(self) -> list[Any]:
        return []


# Checking trainings


def test_songs_are_needed(bench: Bench) -> None:
    for input in ({}, {"dataset_path": None}, {"dataset_path": ""}):
        with pytest.raises(InputError) as refused:
            check_training(input, bench.settings, bench.library)
        assert problems(refused) == {"dataset_path": "value_error.missing"}
    with pytest.raises(InputError) as refused:
        bench.training(dataset_path="/home/ann/songs")
    assert problems(refused) == {"dataset_path": "value_error"}


def test_which_model_is_trained(bench: Bench) -> None:
    assert bench.training().model == "stereo-melody"
    assert bench.training("nano").model == "nano"
    assert bench.training("nano", model_version="small").model == "small"
    assert bench.training("nano", model_version="small", model="medium").model == "medium"
    assert bench.training(model="songloom/melody-large").model == "melody-large"
    with pytest.raises(InputError) as refused:
        bench.training(model_version="huge")
    assert problems(refused) == {"model_version": "value_error"}


def test_model_versions_go_through_the_aliases(bench: Bench) -> None:
    settings = ServeSettings(aliases="stereo-melody=nano, small=melody")
    library = ModelIndex(bench.store, settings)
    input = {"dataset_path": SONGS}
    assert check_training(input, settings, library).model == "nano"
    assert check_training(input | {"model_version": "small"}, settings, library).model == "melody"


@pytest.mark.parametrize(
    ("field", "value", "type"),
    [
        ("epochs", 0, "value_error.number.not_ge"),
        ("batch_size", "many", "type_error.integer"),
        ("optimizer", "sgd", "type_error.enum"),
        ("lr", 0, "value_error.number.not_gt"),
        ("cfg_p", 2, "value_error.number.not_le"),
        ("labels", "labels.csv", "value_error"),
        ("lora_rank", [], "type_error.integer"),
    ],
)
def test_trainings_that_make_no_sense(bench: Bench, field: str, value: Any, type: str) -> None:
    with pytest.raises(InputError) as refused:
        bench.training(**{field: value})
    assert problems(refused) == {field: type}


def test_what_a_client_does_not_decide_is_left_out(bench: Bench) -> None:
    notes = bench.training(name="../x", device="cuda", drop_vocals=False).notes
    assert notes == ("left out, as no inputs are called so: 'name', 'device'",)


# Work


def test_a_prediction_s_work(bench: Bench) -> None:
    work = bench.predicted(prompt="bells", duration="2.5", seed=3, output_format="mp3", count=2)
    request = GenerationRequest.from_mapping(work.request)
    assert (request.prompt, request.duration, request.output_format) == ("bells", 2.5, "mp3")
    assert (work.model, work.base, work.count, request.seed) == ("nano", None, 2, 3)
    assert not work.alone
    assert request.input_audio is None
    json.dumps(dict(work.request))


def test_what_was_lost_before_runs_alone(bench: Bench) -> None:
    assert bench.predicted(prompt="bells", attempts=1).alone


def test_files_come_into_the_job_s_folder(bench: Bench) -> None:
    work = bench.predicted(input_audio=data_url(WAV), melody_audio=None)
    path = Path(str(work.request["input_audio"]))
    assert path.read_bytes() == WAV
    assert path.parent == bench.jobs / "j1" / "inputs" / "input_audio"
    assert path.suffix == ".wav" or path.name.endswith(".wav")


def test_uploads_are_taken_without_a_request(bench: Bench) -> None:
    url = bench.upload(WAV, name="my ../song.WAV")
    path = Path(str(bench.predicted(input_audio=url).request["input_audio"]))
    assert path.read_bytes() == WAV
    assert path.name == "song.WAV"
    bench.files.remove("f1")
    assert path.read_bytes() == WAV  # what a job was given stays with it


def test_an_upload_that_is_gone(bench: Bench) -> None:
    url = bench.upload(WAV)
    bench.files.remove("f1")
    with pytest.raises(FetchError, match=r"upload 'f1' is not here.*upload it again"):
        bench.predicted(input_audio=url)


def test_what_was_fetched_is_not_fetched_again(bench: Bench) -> None:
    url = bench.upload(WAV)
    first = bench.predicted(input_audio=url)
    bench.files.remove("f1")
    bench.store.remove_file("f1")
    again = bench.predicted(input_audio=url, attempts=1)
    assert again.request["input_audio"] == first.request["input_audio"]


def test_private_addresses_are_not_asked(bench: Bench) -> None:
    with pytest.raises(FetchError, match="private"):
        bench.predicted(input_audio="http://127.0.0.1:9/x.wav")


def test_weights_are_told_apart_by_content(bench: Bench) -> None:
    one = bench.predicted("a1", prompt="x", replicate_weights=data_url(PICKLE))
    same = bench.predicted("a2", prompt="x", replicate_weights=data_url(PICKLE))
    other = bench.predicted("a3", prompt="x", replicate_weights=data_url(PICKLE + b"!"))
    assert one.model == same.model != other.model
    assert Path(one.model).name == Path(other.model).name == "trained_model.tar"
    assert Path(one.model).read_bytes() == PICKLE


def test_weights_of_the_original_need_no_base_but_may_be_given_one(bench: Bench) -> None:
    weights = data_url(PICKLE)
    assert bench.predicted("a1", prompt="x", replicate_weights=weights).base is None
    given = bench.predicted("a2", prompt="x", replicate_weights=weights, model="nano")
    assert given.base == "nano"
    job = Job("a3", "prediction", "cog", {"prompt": "x", "replicate_weights": weights}, "melody")
    assert bench.work(job).base == "melody"


def test_weights_by_name_work_on_the_model_that_is_given(bench: Bench) -> None:
    trained("style")
    assert bench.predicted("a1", prompt="x", replicate_weights="style").base is None
    given = bench.predicted("a2", prompt="x", replicate_weights="me/style", model="small")
    assert (given.model, given.base) == ("style", "small")


def test_packed_weights_say_their_base_themselves(bench: Bench) -> None:
    weights = data_url(packed())
    job = Job("a1", "prediction", "cog", {"prompt": "x", "replicate_weights": weights}, "melody")
    work = bench.work(job)
    assert Path(work.model).name == "weights.tar"
    assert work.base is None
    given = bench.predicted("a2", prompt="x", replicate_weights=weights, model="small")
    assert (given.model, given.base) == (work.model, "small")


def trained_work(bench: Bench, id: str, destination: str = "", **input: Any) -> Work:
    input = {"dataset_path": data_url(WAV)} | input
    checked = check_training(input, bench.settings, bench.library)
    return bench.work(Job(id, "training", "cog", input, checked.model, destination=destination))


def test_a_training_s_work(bench: Bench) -> None:
    work = trained_work(bench, "t1", "me/tapes", model="nano", epochs=1, lora_rank=4, previews=0)
    request = TrainingRequest.from_mapping(work.request)
    assert (request.name, request.model_version, request.epochs) == ("tapes", "nano", 1)
    assert (request.lora_rank, request.previews, request.lr) == (4, 0, None)
    assert request.dataset_path.read_bytes() == WAV
    assert request.dataset_path.name.endswith(".wav")


def test_the_original_s_defaults_stand_for_what_they_meant(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fields(id: str, **input: Any) -> Any:
        return TrainingRequest.from_mapping(trained_work(bench, id, **input).request)

    assert fields("t1").drop_vocals is False
    assert "vocals stay" in bench.training().notes[0]
    assert fields("t2", drop_vocals=True).drop_vocals is True
    assert bench.training(drop_vocals=True).notes == ()
    assert fields("t3", vocal_separator="builtin").drop_vocals is True
    assert fields("t4", lr=1).lr == 1
    assert fields("t5", lr=1, optimizer="adamw").lr is None
    assert "adamw's own" in bench.training(lr=1, optimizer="adamw").notes[0]
    assert fields("t6", lr=0.5, optimizer="adamw").lr == 0.5
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "demucs").write_text("#!/bin/sh\n")
    (programs / "demucs").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert fields("t7").drop_vocals is True
    assert bench.training().notes == ()


def test_two_trainings_of_one_destination_have_names_of_their_own(bench: Bench) -> None:
    names = [trained_work(bench, id, "me/tapes").request["name"] for id in ("t1", "t2")]
    assert names[0] == "tapes"
    assert str(names[1]).startswith("tapes-")
    again = [trained_work(bench, id, "me/tapes").request["name"] for id in ("t1", "t2")]
    assert again == names


def test_a_training_that_failed_gives_its_name_back(bench: Bench) -> None:
    input = {"dataset_path": data_url(WAV)}
    job = Job("t1", "training", "cog", input, "nano", destination="me/tapes")
    bench.store.add_job(job, limit=10)
    assert bench.work(job).request["name"] == "tapes"
    assert trained_work(bench, "t2", "me/tapes").request["name"] != "tapes"
    bench.store.finish("t1", "failed", error="no songs")
    assert trained_work(bench, "t3", "me/tapes").request["name"] == "tapes"
