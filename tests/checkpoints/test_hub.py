"""From names to folders, against a hub that runs on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import songloom
from songloom.checkpoints import listing
from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.catalogue import DIFFUSION_FILE, DIFFUSION_REPO
from songloom.checkpoints.hub import (
    cached_folder,
    download_file,
    files_to_fetch,
    find,
    is_complete,
    resolve,
)
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError
from songloom.models.lora import LoraConfig, add_lora, lora_state
from songloom.progress import DownloadProgress
from tests.hub import Hub
from tests.tiny import tiny_model


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and nothing to be reached beyond this machine."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    use_hub(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


def use_hub(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", address, raising=False)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What an official repository holds: the model, and the same again in other formats."""
    folder = tiny_model(tmp_path / "repository")
    for name in ("pytorch_model.bin", "state_dict.bin", "compression_state_dict.bin"):
        (folder / name).write_bytes(b"not to be fetched")
    (folder / "README.md").write_text("# Small")
    return folder


def fetch_diffusion(events: list[DownloadProgress] | None = None) -> Path:
    report = None if events is None else events.append
    return download_file(DIFFUSION_REPO, DIFFUSION_FILE, "diffusion", "CC", report, "do without")


def test_a_single_file_is_fetched_once(hub: Hub) -> None:
    events: list[DownloadProgress] = []
    path = fetch_diffusion(events)
    assert path.read_bytes() == b"weights"
    assert path.name == DIFFUSION_FILE
    assert events[-1] == DownloadProgress("diffusion", 7, 7)
    assert not any("mbd_comp" in asked for asked in hub.asked)
    asked = len(hub.asked)
    assert fetch_diffusion() == path
    assert len(hub.asked) == asked


def test_a_single_file_that_cannot_be_fetched() -> None:
    with pytest.raises(ModelError) as caught:
        fetch_diffusion()
    for words in (DIFFUSION_REPO, "'diffusion'", "licence: CC", "do without"):
        assert words in str(caught.value)


def test_a_file_that_the_repository_lacks(hub: Hub) -> None:
    hub.broken.add(DIFFUSION_FILE)
    with pytest.raises(ModelError, match=DIFFUSION_REPO):
        fetch_diffusion()


def test_diffusion_weights_beside_a_model_are_fetched_with_it() -> None:
    beside = {"diffusion/config.json", "diffusion/model.safetensors"}
    model = {"config.json", "model.safetensors"}
    assert set(files_to_fetch(model | beside | {"diffusion/notes.txt"})) == model | beside


@pytest.fixture
def hub(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    diffusion = repository.parent / "multiband-diffusion"
    diffusion.mkdir()
    (diffusion / DIFFUSION_FILE).write_bytes(b"weights")
    (diffusion / "mbd_comp_8.pt").write_bytes(b"not to be fetched")
    hub = Hub(
        {
            "facebook/musicgen-small": repository,
            "someone/tune": repository,
            DIFFUSION_REPO: diffusion,
        }
    )
    use_hub(monkeypatch, hub.address)
    yield hub
    hub.close()


def test_a_download_with_progress(hub: Hub, repository: Path) -> None:
    events: list[DownloadProgress] = []
    folder = resolve("small", events.append)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert all((folder / n).read_bytes() == (repository / n).read_bytes() for n in names)
    total = sum((repository / name).stat().st_size for name in names)
    assert {event.bytes_total for event in events} == {total}
    assert {event.model for event in events} == {"small"}
    done = [event.bytes_done for event in events]
    assert done == sorted(done)
    assert done[-1] == total
    assert len(set(done)) >= len(names)


@pytest.mark.usefixtures("hub")
def test_a_hub_id_loads() -> None:
    components = load_components("someone/tune")
    assert components.info.name == "someone/tune"
    assert components.text("slow jazz").shape == (1, 3, 16)


def test_the_second_time_needs_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = resolve("small")
    asked = len(hub.asked)
    assert resolve("small") == folder
    assert resolve("facebook/musicgen-small") == folder
    assert len(hub.asked) == asked
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert resolve("small") == folder


def test_an_interrupted_download_goes_on(hub: Hub) -> None:
    hub.broken.add("model.safetensors")
    with pytest.raises(ModelError, match="can't be fetched"):
        resolve("small")
    assert cached_folder("facebook/musicgen-small") is None
    hub.broken.clear()
    folder = resolve("small")
    assert (folder / "model.safetensors").is_file()
    assert cached_folder("facebook/musicgen-small") == folder


def check_unreachable(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(name)
    message = str(caught.value)
    assert f"'{name}'" in message
    assert "CC-BY-NC 4.0" in message
    assert "facebook/musicgen-stereo-melody" in message
    assert "songloom generate --model /path/to/folder" in message
    assert "nano" in message
    assert "\n" not in message


def test_no_network() -> None:
    check_unreachable("stereo-melody")


def test_offline_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    check_unreachable("stereo-melody")


@pytest.mark.usefixtures("hub")
def test_a_repository_that_does_not_exist() -> None:
    with pytest.raises(ModelError, match="nobody/nothing"):
        resolve("nobody/nothing")


def test_a_repository_without_a_model(hub: Hub, repository: Path) -> None:
    for path in repository.iterdir():
        if path.name != "README.md":
            path.unlink()
    with pytest.raises(ModelError, match="someone/tune holds no model that can be read"):
        resolve("someone/tune")


@pytest.mark.parametrize(
    ("name", "meant"), [("smal", "small"), ("melody_large", "melody-large"), ("nanno", "nano")]
)
def test_did_you_mean(name: str, meant: str) -> None:
    with pytest.raises(ModelError, match=rf"unknown model '{name}': did you mean '{meant}'\?"):
        resolve(name)


@pytest.mark.parametrize(
    "name", ["qqq", "./not/there", "/not/there", "a/b/c", "", "x" * 300, "~nobody/tune"]
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(ModelError, match="Expected one of nano, small"):
        resolve(name)


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "someone" / "tune"
    folder.mkdir(parents=True)
    assert resolve(folder) == folder
    assert resolve(str(folder)) == folder
    monkeypatch.chdir(tmp_path)
    assert resolve("someone/tune") == Path("someone/tune")  # before the hub's of that name


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (
            ["config.json", "pytorch_model.bin", "model.safetensors", "state_dict.bin", "a.txt"],
            ("config.json", "model.safetensors"),
        ),
        (
            [
                "config.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
                "pytorch_model-00001-of-00002.bin",
            ],
            (
                "config.json",
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
            ),
        ),
        (
            ["config.json", "pytorch_model.bin", "state_dict.bin"],
            ("config.json", "pytorch_model.bin"),
        ),
        (
            ["state_dict.bin", "compression_state_dict.bin", "README.md"],
            ("state_dict.bin", "compression_state_dict.bin"),
        ),
        (["model.safetensors"], ()),
        (["README.md"], ()),
    ],
)
def test_only_what_is_needed(names: list[str], wanted: tuple[str, ...]) -> None:
    assert files_to_fetch(names) == wanted


def test_a_missing_shard_is_not_complete(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors.index.json", "tokenizer.json"):
        (tmp_path / name).touch()
    assert not is_complete(tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").touch()
    assert not is_complete(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").touch()
    assert is_complete(tmp_path)


def test_an_adapter_comes_with_its_base(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = load_components(repository).lm
    config = LoraConfig(rank=2)
    add_lora(lm, config)
    write_adapter(tmp_path / "style", lora_state(lm), config, lm.config, "small")
    (tmp_path / "style" / "README.md").write_text("# Style")
    hub = Hub({"facebook/musicgen-small": repository, "someone/style": tmp_path / "style"})
    use_hub(monkeypatch, hub.address)
    info = load_components("someone/style").info
    asked = len(hub.asked)
    assert {path.name for path in resolve("someone/style").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert info.adapter == resolve("someone/style") == find("someone/style")
    assert info.path == find("small") == find("facebook/musicgen-small")
    assert (info.name, info.licence) == ("someone/style", "CC-BY-NC 4.0")
    assert songloom.load("small").add_adapter("someone/style") == "style"
    assert len(hub.asked) == asked
    hub.close()
    assert find("someone/other") is None


def test_the_list_of_models(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nano = tiny_model(tmp_path / "nano", melody=True)
    monkeypatch.setattr(listing, "embedded_folder", lambda: nano)
    listings = {model.name: model for model in listing.list_models()}
    assert not hub.asked
    assert list(listings)[:4] == ["nano", "small", "medium", "large"]
    assert len(listings) == 11
    assert listings["nano"].local
    assert listings["nano"].path == nano
    assert listings["nano"].parameters == "0.0M"
    large = listings["stereo-melody-large"]
    assert (large.parameters, large.channels, large.melody) == ("3.3B", 2, True)
    assert large.source == "facebook/musicgen-stereo-melody-large"
    assert not large.local
    assert large.size_bytes is None
    folder = resolve("small")
    small = next(model for model in listing.list_models() if model.name == "small")
    assert small.local
    assert small.path == folder
    assert small.size_bytes == sum(path.stat().st_size for path in folder.iterdir())


def test_without_the_embedded_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("songloom.checkpoints.hub.embedded_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="install songloom again"):
        resolve("nano")
