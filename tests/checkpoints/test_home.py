"""The user's own models: where they lie, what they may be called, and how they are found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import songloom
from songloom.checkpoints import home as homes
from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.hub import find, resolve
from songloom.checkpoints.listing import ModelListing, list_models
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError
from songloom.models.lora import LoraConfig, add_lora, lora_state
from tests.tiny import tiny_model


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def train_adapter(name: str, base: str, config: LoraConfig | None = None) -> Path:
    """What a training leaves behind."""
    config = config or LoraConfig(rank=2)
    lm = load_components(base).lm
    add_lora(lm, config)
    folder = homes.model_folder(name)
    write_adapter(folder, lora_state(lm), config, lm.config, base)
    (folder / "songloom.json").write_text(json.dumps({"base": base, "kind": "adapter"}))
    return folder


def trained_listings() -> dict[str, ModelListing]:
    kinds = ("adapter", "full", "broken")
    return {listing.name: listing for listing in list_models() if listing.kind in kinds}


def test_the_home_is_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path))
    assert homes.home() == tmp_path
    assert homes.model_folder("my style") == tmp_path / "models" / "my style"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONGLOOM_HOME", "here")
    assert homes.home() == tmp_path / "here"
    monkeypatch.setenv("SONGLOOM_HOME", " ")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert homes.home().is_absolute()
    assert homes.home().name == "songloom"
    if sys.platform == "linux":
        assert homes.home() == tmp_path / "data" / "songloom"


@pytest.mark.parametrize(
    "name", ["my-style", "Ma Chanson 2", "мой_стиль", "我的.歌", "शैली", "a" * 100]
)
def test_names_that_models_may_have(home: Path, name: str) -> None:
    assert homes.model_folder(name).parent == home / "models"


def test_one_name_in_two_ways_of_writing_it(home: Path) -> None:
    assert homes.model_folder("cafe\u0301") == homes.model_folder("caf\u00e9")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("a/b", "'/' in it"),
        ("a\\b", "in it"),
        ("..", "dot or a space"),
        (".hidden", "dot or a space"),
        ("end.", "dot or a space"),
        (" a", "dot or a space"),
        ("--model", "hyphen"),
        ("a\nb", "in it"),
        ("a\0b", "in it"),
        ("a" * 101, "longer than"),
        ("歌" * 99, "longer than"),
        ("nano", "not yours"),
        ("Stereo-Melody", "not yours"),
        ("NUL", "Windows"),
        ("com1.x", "Windows"),
        ("\ud800", "in it"),
    ],
)
def test_names_that_no_model_may_have(home: Path, name: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        homes.model_folder(name)
    assert homes.trained_model(name) is None
    with pytest.raises(ModelError, match="no trained model"):
        homes.remove_model(name)


@given(st.text(max_size=120))
def test_a_name_leads_into_the_folder_of_models_or_nowhere(name: str) -> None:
    try:
        folder = homes.model_folder(name)
    except ModelError:
        return
    assert folder.parent == homes.models_folder()
    assert folder.resolve() == folder.absolute()
    assert not folder.name.startswith(".")


def test_a_trained_adapter_is_loaded_by_its_name(home: Path) -> None:
    assert trained_listings() == {}
    folder = train_adapter("my-style", "nano")
    assert resolve("my-style") == find("my-style") == folder
    info = load_components("my-style").info
    assert (info.name, info.base, info.adapter) == ("my-style", "nano", folder)
    assert info.licence == "Apache-2.0"
    [listing] = trained_listings().values()
    nano = next(listing for listing in list_models() if listing.name == "nano")
    assert (listing.name, listing.kind, listing.base) == ("my-style", "adapter", "nano")
    assert listing.licence == nano.licence == "Apache-2.0"
    assert (listing.parameters, listing.channels, listing.melody) == (nano.parameters, 1, True)
    assert listing.local
    assert listing.path == folder
    assert listing.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert songloom.remove_model("my-style") == folder
    assert list((home / "models").iterdir()) == []
    with pytest.raises(ModelError, match="unknown model 'my-style'"):
        resolve("my-style")


def test_a_whole_trained_model(home: Path, tmp_path: Path) -> None:
    folder = tiny_model(homes.model_folder("whole"), channels=2)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    (folder / "songloom.json").write_text(json.dumps({"base": "stereo-small", "kind": "full"}))
    [listing] = trained_listings().values()
    assert (listing.name, listing.kind, listing.base) == ("whole", "full", "stereo-small")
    assert (listing.channels, listing.melody, listing.local) == (2, False, True)
    assert listing.licence == "cc-by-nc-4.0"
    assert listing.parameters == "0.1M"
    assert load_components("whole").info.path == folder
    with pytest.raises(ModelError, match="a whole model already"):
        songloom.merge("whole", tmp_path / "merged")


def test_adapters_of_all_kinds_of_bases(home: Path, tmp_path: Path) -> None:
    tiny_model(homes.model_folder("whole"), channels=2)
    train_adapter("on whole", "whole")
    train_adapter("on that", "on whole", LoraConfig(rank=1, targets=("heads",)))
    base = tiny_model(tmp_path / "base", melody=True)
    train_adapter("on a folder", str(base))
    train_adapter("on nothing", str(tiny_model(tmp_path / "gone")))
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    listings = trained_listings()
    assert listings["on whole"].channels == listings["on that"].channels == 2
    assert listings["on that"].base == "on whole"
    assert (listings["on a folder"].channels, listings["on a folder"].melody) == (1, True)
    nothing = listings["on nothing"]
    assert (nothing.channels, nothing.melody, nothing.local) == (None, None, False)
    assert (nothing.parameters, nothing.licence) == ("?", "?")
    assert load_components("on that").info.base == "on whole"


def test_an_adapter_of_a_model_that_is_not_here(home: Path, tmp_path: Path) -> None:
    folder = train_adapter("far", str(tiny_model(tmp_path / "base")))
    (folder / "songloom.json").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "facebook/musicgen-stereo-large"
    (folder / "adapter_config.json").write_text(json.dumps(config))
    [listing] = trained_listings().values()
    assert (listing.parameters, listing.channels, listing.local) == ("3.3B", 2, False)
    assert listing.licence == "CC-BY-NC 4.0"
    assert listing.base == "facebook/musicgen-stereo-large"


def test_an_adapter_that_names_itself_is_listed(home: Path) -> None:
    train_adapter("round", "nano")
    facts = homes.model_folder("round") / "songloom.json"
    facts.write_text(json.dumps({"base": "round"}))
    assert trained_listings()["round"].channels is None


def test_broken_models_are_listed_and_can_be_removed(home: Path) -> None:
    train_adapter("torn", "nano")
    (homes.model_folder("torn") / "adapter_model.safetensors").unlink()
    homes.model_folder("empty").mkdir()
    train_adapter("unreadable", "nano")
    (homes.model_folder("unreadable") / "songloom.json").write_text("{")
    (home / "models" / ".writing").mkdir()
    (home / "models" / "note.txt").touch()
    assert {name: listing.kind for name, listing in trained_listings().items()} == {
        "empty": "broken",
        "torn": "broken",
        "unreadable": "broken",
    }
    with pytest.raises(ModelError, match=r"'torn' lacks files.*songloom models remove torn"):
        resolve("torn")
    for name in ("torn", "empty", "unreadable"):
        songloom.remove_model(name)
    assert trained_listings() == {}


def test_which_of_two_a_name_means(home: Path, tmp_path: Path) -> None:
    trained = tiny_model(homes.model_folder("both"))
    local = tiny_model(tmp_path / "both")
    assert resolve("both") == trained
    assert resolve("./both").resolve() == local
    assert resolve(Path("both")).resolve() == local
    songloom.remove_model("both")
    assert resolve("both").resolve() == local


def test_what_is_not_there_is_not_removed(home: Path) -> None:
    with pytest.raises(ModelError, match="trained models are: none"):
        songloom.remove_model("nothing")
    train_adapter("mine", "nano")
    with pytest.raises(ModelError, match=r"no trained model 'nano' to remove.* are: 'mine'"):
        songloom.remove_model("nano")
    with pytest.raises(ModelError, match="no trained model"):
        songloom.remove_model("../models/mine")
    assert list(trained_listings()) == ["mine"]
    with pytest.raises(ModelError, match="did you mean 'mine'"):
        resolve("mime")


def test_a_home_that_is_no_folder(home: Path) -> None:
    home.mkdir()
    (home / "models").touch()
    with pytest.raises(ModelError, match="set SONGLOOM_HOME"):
        list_models()


def test_listing_trained_models_loads_no_torch(home: Path) -> None:
    train_adapter("mine", "nano")
    code = (
        "import sys; from songloom.checkpoints.listing import list_models; "
        "assert 'mine' in [m.name for m in list_models()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
