"""Names of trainings' models: unique, and found again after a restart."""

import hashlib
import threading
from pathlib import Path

import pytest

from songloom.checkpoints.home import model_folder, models_folder, remove_model, run_folder
from songloom.errors import OutputError, TrainingError
from songloom.jobs.model_names import reserve_name

ID, OTHER = "a1b2c3" + "x" * 20, "d4e5f6" + "y" * 20


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))


def never(id: str) -> bool:
    return False


def reserve(wanted: str, id: str = ID) -> str:
    return reserve_name(wanted, id, never)


def finish(name: str) -> None:
    """Make the model of a training."""
    (models_folder() / name).mkdir(parents=True)


def test_the_name_that_was_asked_for() -> None:
    assert reserve("my-style") == "my-style"
    assert (run_folder("my-style") / "job").read_text() == ID


def test_a_name_is_found_again_whenever_the_training_goes_on() -> None:
    name = reserve("my-style")
    (run_folder(name) / "state.pt").write_bytes(b"...")
    assert reserve("my-style") == name
    finish(name)
    assert reserve("my-style") == name
    assert (run_folder(name) / "state.pt").is_file()


def test_a_training_that_can_go_on_has_what_it_saved_though_its_name_is_taken() -> None:
    name = reserve("my-style")
    (run_folder(name) / "state.pt").write_bytes(b"...")
    assert reserve_name("my-style", OTHER, lambda id: True) == "my-style"
    assert not (run_folder("my-style") / "state.pt").exists()
    assert reserve("my-style") == f"training-{ID}"
    assert (run_folder(f"training-{ID}") / "state.pt").read_bytes() == b"..."


def test_another_training_s_name_is_left_to_it() -> None:
    reserve("my-style")
    assert reserve("my-style", OTHER) == "my-style-d4e5f6"
    assert reserve("my-style", OTHER) == "my-style-d4e5f6"
    assert (run_folder("my-style") / "job").read_text() == ID


def test_a_model_s_name_is_left_to_it() -> None:
    finish("my-style")
    assert reserve("my-style") == "my-style-a1b2c3"


def test_a_run_of_the_command_line_keeps_its_name() -> None:
    run_folder("my-style").mkdir(parents=True)
    (run_folder("my-style") / ".lock").touch()
    assert reserve("my-style") == "my-style-a1b2c3"


def test_ids_that_begin_alike() -> None:
    ids = [ID, ID[:6] + "z" * 20, "job-1", "job-2", "job-3", "../x", ""]
    names = [reserve("my-style", id) for id in ids]
    assert len(set(names)) == len(ids)
    assert [reserve("my-style", id) for id in ids] == names


@pytest.mark.parametrize("wanted", ["", "...", "nano", "NANO", "con", "///"])
def test_what_can_be_no_name(wanted: str) -> None:
    name = reserve(wanted)
    assert name != wanted
    model_folder(name)
    assert reserve(wanted, "client's own") != name


def test_letters_that_may_not_be_in_a_name() -> None:
    assert reserve("my style/of:tapes") == "my-style-of-tapes"
    assert len(reserve("x" * 500)) == 60


def test_a_training_that_ended_without_a_model_gives_its_name_back() -> None:
    reserve("my-style")
    (run_folder("my-style") / "best.safetensors").write_bytes(b"...")
    assert reserve_name("my-style", OTHER, lambda id: id == ID) == "my-style"
    assert [path.name for path in run_folder("my-style").iterdir()] == ["job"]
    assert [path.name for path in run_folder("my-style").parent.iterdir()] == ["my-style"]


def test_a_model_that_was_removed_gives_its_name_back() -> None:
    finish(reserve("my-style"))
    remove_model("my-style")
    assert reserve("my-style", OTHER) == "my-style"


def test_no_two_get_the_same_name_at_once() -> None:
    names: list[str] = []
    begin = threading.Barrier(8)

    def one(id: str) -> None:
        begin.wait()
        names.append(reserve("my-style", id))

    threads = [threading.Thread(target=one, args=(f"{i}" * 26,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 8
    assert "my-style" in names


def test_when_all_names_are_taken() -> None:
    digest = hashlib.sha256(ID.encode()).hexdigest()[:16]
    for name in ("my-style", "my-style-a1b2c3", f"my-style-{digest}", f"training-{ID}"):
        finish(name)
    with pytest.raises(TrainingError, match=r"'my-style', 'my-style-a1b2c3'.*are taken"):
        reserve("my-style")


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder")
    with pytest.raises(OutputError, match=r"runs.*can't be written"):
        reserve("my-style")
