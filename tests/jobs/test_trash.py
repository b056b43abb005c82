"""What is thrown away, and when it goes for good."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from songloom.checkpoints.home import models_folder, run_folder, trained_model
from songloom.clock import utc_now
from songloom.errors import BusyError
from songloom.jobs import trash as trash_module
from songloom.jobs.model_names import HOLDER
from songloom.jobs.paths import job_folder
from songloom.jobs.store.records import Version
from songloom.jobs.store.store import Store
from songloom.jobs.trash import Trash
from tests.jobs.samples import job


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


@pytest.fixture
def trash(store: Store, tmp_path: Path) -> Trash:
    return Trash(store, lambda id: job_folder(tmp_path / "jobs", id))


def ended(store: Store, tmp_path: Path, id: str, kind: str = "prediction") -> Path:
    """An ended job, and the folder with its result."""
    store.add_job(job(id, kind=kind), limit=100)
    store.finish(id, "succeeded", output={"files": ["output.wav"]})
    folder = job_folder(tmp_path / "jobs", id)
    folder.mkdir(parents=True)
    (folder / "output.wav").write_bytes(b"sound")
    return folder


def trained(store: Store, name: str, training: str, id: str = "ab" * 32) -> None:
    folder = models_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    run_folder(name).mkdir(parents=True, exist_ok=True)
    (run_folder(name) / HOLDER).write_text(training)
    store.add_version(Version(id, "me", name, name, training))


def test_what_is_removed_leaves_nothing(store: Store, trash: Trash, tmp_path: Path) -> None:
    folder = ended(store, tmp_path, "a")
    trash.remove("a")
    assert store.job("a") is None
    assert not folder.exists()
    trash.remove("a")  # again, as after an interruption


def test_what_has_not_ended_stays(store: Store, trash: Trash) -> None:
    store.add_job(job("a"), limit=1)
    store.begin("a")
    with pytest.raises(BusyError, match="is being stopped"):
        trash.remove("a")
    assert store.job("a") is not None


def test_a_training_goes_with_its_model(store: Store, trash: Trash, tmp_path: Path) -> None:
    ended(store, tmp_path, "t", "training")
    trained(store, "my-style", "t")
    trash.remove("t")
    assert trained_model("my-style") is None
    assert not run_folder("my-style").exists()
    assert store.all_versions() == []


def test_a_failed_training_goes_with_its_state(store: Store, trash: Trash, tmp_path: Path) -> None:
    ended(store, tmp_path, "t", "training")
    run_folder("half").mkdir(parents=True)
    (run_folder("half") / HOLDER).write_text("t")
    run_folder("other").mkdir(parents=True)
    trash.remove("t")
    assert not run_folder("half").exists()
    assert run_folder("other").exists()


def test_a_model_in_use_stays(store: Store, trash: Trash, tmp_path: Path) -> None:
    ended(store, tmp_path, "t", "training")
    trained(store, "my-style", "t")
    store.add_job(job("p", model="my-style"), limit=100)
    with pytest.raises(BusyError, match="'my-style' is in use"):
        trash.remove("t")
    assert trained_model("my-style") is not None
    assert store.job("t") is not None
    store.request_cancel("p")
    trash.remove("t")
    assert trained_model("my-style") is None


def test_emptying_removes_what_is_in_it_and_tells_what_stays(
    store: Store, trash: Trash, tmp_path: Path
) -> None:
    for id in "abc":
        ended(store, tmp_path, id)
    store.add_job(job("runs"), limit=10)
    for id in ("a", "b", "runs"):
        store.library.delete(id)
    with pytest.raises(BusyError):
        trash.empty()
    assert [store.job(id) is None for id in ("a", "b", "c", "runs")] == [True, True, False, False]
    store.request_cancel("runs")
    assert trash.empty() == 1
    assert trash.empty() == 0


def test_what_is_in_it_for_long_goes(
    store: Store, trash: Trash, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(store, tmp_path, "a")
    store.library.delete("a")
    assert trash.sweep() == 0
    monkeypatch.setattr(trash_module, "utc_now", lambda: utc_now() + timedelta(days=31))
    assert trash.sweep() == 1
    assert store.job("a") is None


def test_a_sweep_leaves_what_is_in_use(
    store: Store, trash: Trash, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_job(job("a"), limit=10)
    store.library.delete("a")
    monkeypatch.setattr(trash_module, "utc_now", lambda: utc_now() + timedelta(days=31))
    assert trash.sweep() == 0
    assert store.job("a") is not None
