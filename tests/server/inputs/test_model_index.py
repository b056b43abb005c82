"""Models under all the names that clients ask for them by."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from songloom.checkpoints.catalogue import KNOWN
from songloom.checkpoints.home import models_folder
from songloom.errors import ModelError
from songloom.jobs.store.records import Job, Version
from songloom.jobs.store.store import Store
from songloom.server.inputs.model_index import ORIGINAL_IDS, ModelIndex
from songloom.settings import ORIGINAL, ServeSettings

ID = "ab" * 32


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


def library(store: Store, **settings: Any) -> ModelIndex:
    return ModelIndex(store, ServeSettings(**settings))


def trained(name: str, created: str = "2026-03-01T10:00:00+00:00") -> Path:
    """The folder of a trained model, as far as anyone but `load` looks at it."""
    folder = models_folder() / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "songloom.json").write_text(json.dumps({"base": "nano", "created": created}))
    return folder


def published(store: Store, id: str, title: str, model: str, training: str = "t1") -> None:
    owner, name = title.split("/")
    store.add_version(Version(id, owner, name, model, training))


def model_of(library: ModelIndex, reference: str) -> str | None:
    version = library.resolve(reference)
    return None if version is None else version.model


def test_known_models_belong_to_songloom(store: Store) -> None:
    models = library(store)
    for known in KNOWN:
        version = models.resolve(known.name)
        assert version is not None
        assert (version.title, version.model) == (f"songloom/{known.name}", known.name)
        for reference in (version.title, f"{version.title}:{version.id}", version.id, known.source):
            if reference != "embedded":
                assert models.resolve(reference) == version
    assert len({model.latest.id for model in models.models()}) == len(models.models())


@pytest.mark.parametrize(
    "reference",
    [
        "", "/", ":", "nobody", "songloom/nobody", "nobody/nano", "songloom/nano:" + ID, ID,
        "nano:x",
        "songloom/nano:", "../models", "/etc/passwd", "a" * 5000, "\ud800", "x\0y", "owner/na/me",
        "facebook/musicgen-unknown", f"{ORIGINAL}:",
    ],
)  # fmt: skip
def test_what_there_is_not(store: Store, reference: str) -> None:
    assert library(store).resolve(reference) is None


def test_ids_stay_the_same(store: Store) -> None:
    """They are in people's code: another id would be another model."""
    version = library(store).resolve("nano")
    assert version is not None
    assert version.id == "2c52d552fe0becc80fd9affd6243b6dfc8d8e29714e9ebc1ddbf91ea223977d2"


@pytest.mark.parametrize("id", ORIGINAL_IDS)
def test_the_original_s_ids_stand_for_its_alias(store: Store, id: str) -> None:
    models = library(store, model="small")
    for reference in (id, f"{ORIGINAL}:{id}"):
        version = models.resolve(reference)
        assert version is not None
        assert (version.id, version.title, version.model) == (id, ORIGINAL, "small")


def test_any_version_of_the_original_may_be_asked_for(store: Store) -> None:
    assert model_of(library(store), f"{ORIGINAL}:{ID}") == "nano"
    found = library(store).resolve(ORIGINAL)
    assert found is not None
    assert (found.id, found.model) == (ORIGINAL_IDS[0], "nano")


def test_an_id_may_be_cut_to_what_tells_it_from_others(store: Store) -> None:
    trained("tapes")
    published(store, ID, "me/tapes", "tapes")
    near = ID[:10] + "0" * 54
    published(store, near, "me/tapes", "tapes", training="t2")
    models = library(store, model="small")
    for reference in ("055c82cf", f"{ORIGINAL}:055c82cf", f"{ORIGINAL}:055c82cff5c1"):
        version = models.resolve(reference)
        assert version is not None
        assert (version.id, version.title, version.model) == (ORIGINAL_IDS[4], ORIGINAL, "small")
    for reference in (near[:11], f"me/tapes:{near[:11]}"):
        version = models.resolve(reference)
        assert version is not None
        assert (version.id, version.model) == (near, "tapes")
    for reference in (ID[:8], f"me/tapes:{ID[:10]}"):
        with pytest.raises(ModelError, match=f"{ID} or {near}|{near} or {ID}"):
            models.resolve(reference)
    for reference in ("055c82c", "055c82cg", "me/tapes:055c82cf", f"me/other:{ID[:12]}"):
        assert models.resolve(reference) is None, reference
    trained("055c82cf")
    assert model_of(models, "055c82cf") == "055c82cf"


def test_the_original_trains_what_model_version_says(store: Store) -> None:
    original, nano = library(store).resolve(ORIGINAL), library(store).resolve("songloom/nano")
    assert original is not None
    assert nano is not None
    assert (original.base, nano.base) == (None, "nano")


def test_aliases(store: Store) -> None:
    trained("tapes")
    published(store, ID, "me/tapes", "tapes")
    models = library(
        store,
        aliases=f"{ORIGINAL}:{ORIGINAL_IDS[1]}=melody, meta/musicgen=medium, medium=nano,"
        f"ann/mix:{'cd' * 32}=me/tapes, ann/other=tapes",
    )
    assert model_of(models, ORIGINAL_IDS[0]) == "nano"
    assert model_of(models, ORIGINAL_IDS[1]) == "melody"
    assert model_of(models, f"{ORIGINAL}:{ORIGINAL_IDS[1]}") == "melody"
    assert model_of(models, f"meta/musicgen:{ID}") == "medium"
    assert model_of(models, "medium") == "nano"
    assert model_of(models, "songloom/medium") == "medium"
    mixed = models.resolve("cd" * 32)
    assert mixed is not None
    assert (mixed.title, mixed.model) == ("ann/mix", "tapes")
    assert model_of(models, "ann/other") == "tapes"
    assert {"meta/musicgen", "ann/mix", ORIGINAL} <= {
        f"{model.owner}/{model.name}" for model in models.models()
    }


def test_published_versions_are_newest_first_whatever_the_clock_says(store: Store) -> None:
    trained("style")
    trained("style-2")
    later, earlier = datetime(2026, 5, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    store.add_version(Version("11" * 32, "me", "style", "style", "t1", created_at=later))
    store.add_version(Version("22" * 32, "me", "style", "style-2", "t2", created_at=earlier))
    models = library(store)
    assert [version.id for version in models.versions("me", "style")] == ["22" * 32, "11" * 32]
    newest = models.resolve("me/style")
    assert newest is not None
    assert (newest.id, newest.model, newest.training) == ("22" * 32, "style-2", "t2")
    assert model_of(models, f"me/style:{'11' * 32}") == "style"
    assert model_of(models, "11" * 32) == "style"
    assert model_of(models, f"you/style:{'11' * 32}") is None
    found = models.model("me", "style")
    assert found is not None
    assert (found.mine, found.latest, found.description) == (True, newest, "Fine-tuned from nano.")


def test_a_published_model_that_was_removed_is_gone(store: Store) -> None:
    published(store, ID, "me/style", "style")
    assert library(store).resolve("me/style") is None
    assert library(store).resolve(ID) is None
    assert library(store).model("me", "style") is None


def test_models_of_the_command_line_belong_to_the_owner(store: Store) -> None:
    folder = trained("Märchen tapes")
    models = library(store, owner="ann")
    version = models.resolve("Märchen tapes")
    assert version is not None
    assert version.title == "ann/Märchen tapes"
    assert version.created_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert models.resolve(version.id) == models.resolve(version.title) == version
    (folder / "songloom.json").write_text(
        json.dumps({"base": "nano", "created": "2026-04-01T10:00:00+00:00"})
    )
    again = models.resolve("Märchen tapes")
    assert again is not None
    assert again.id != version.id  # it was trained anew


@pytest.mark.parametrize("facts", ["", "[]", "{}", '{"created": 5}', '{"created": "2026-03-01"}'])
def test_a_model_without_a_date_has_that_of_its_folder(store: Store, facts: str) -> None:
    (trained("style") / "songloom.json").write_text(facts)
    version = library(store).resolve("style")
    if version is None:  # its facts can't be read: it counts as broken
        assert facts in ("", "[]")
    else:
        assert version.created_at.tzinfo is not None


def test_broken_models_are_not_offered(store: Store) -> None:
    (trained("style") / "model.safetensors").unlink()
    models = library(store)
    assert "style" not in {model.name for model in models.models()}
    assert models.resolve("me/style") is None
    assert models.resolve("style") is None


def test_of_the_server_s_own_folder_only_the_name_is_told(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "secret" / "finetune"
    folder.mkdir(parents=True)
    models = library(store, model=str(folder))
    version = models.resolve(str(folder))
    assert version is not None
    assert (version.title, version.model) == ("songloom/finetune", str(folder))
    assert models.resolve(version.id) == models.resolve("songloom/finetune") == version
    assert all("secret" not in f"{m.owner}/{m.name} {m.description}" for m in models.models())


def test_a_hub_model_that_the_server_was_given_keeps_its_name(store: Store) -> None:
    version = library(store, model="someone/theirs").resolve("someone/theirs")
    assert version is not None
    assert (version.title, version.model) == ("someone/theirs", "someone/theirs")
    assert library(store).resolve("someone/theirs") is None


def test_the_model_of_a_job(store: Store, tmp_path: Path) -> None:
    trained("style")
    published(store, ID, "me/style", "style")
    models = library(store)
    job = Job("j", "prediction", "replicate", {}, "style", version=ID)
    assert models.model_of(job) == "me/style"
    assert models.model_of(replace(job, version=ORIGINAL_IDS[2], model="nano")) == ORIGINAL
    assert models.model_of(replace(job, version="", model="nano")) == "songloom/nano"
    gone = replace(job, version="cd" * 32, model=str(tmp_path / "gone"))
    assert models.model_of(gone) == "songloom/gone"


def test_all_models_can_be_had_by_what_they_are_called(store: Store) -> None:
    trained("style")
    trained("by-hand")
    published(store, ID, "me/style", "style")
    models = library(store)
    listed = models.models()
    assert [f"{model.owner}/{model.name}" for model in listed[:2]] == ["me/style", "me/by-hand"]
    for model in listed:
        assert models.model(model.owner, model.name) == model
        assert models.resolve(f"{model.owner}/{model.name}") == model.latest
        assert models.resolve(model.latest.id) == model.latest
    assert [model.mine for model in listed] == [True, True] + [False] * (len(listed) - 2)
