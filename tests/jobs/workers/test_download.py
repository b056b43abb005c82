"""The process that fetches a model, against a hub on this machine."""

import json
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from songloom.errors import ModelError, OutputError
from songloom.jobs.workers import download
from songloom.jobs.workers.download import fetch
from tests.hub import Hub
from tests.tiny import tiny_model

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "songloom.jobs.workers.download"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub({"facebook/musicgen-small": tiny_model(tmp_path / "repository")})
    yield hub
    hub.close()


def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    hubs = {"HF_ENDPOINT": hub.address, "HF_HUB_CACHE": str(tmp_path / "cache")}
    switches = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    return {**os.environ, **hubs, **switches, "no_proxy": "127.0.0.1"}


def run(hub: Hub, tmp_path: Path, name: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code of the process, and what it said."""
    with subprocess.Popen(
        [*COMMAND, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment(hub, tmp_path), text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = [json.loads(line) for line in process.stdout]
        return process.wait(60), said


def test_it_says_how_far_it_is(hub: Hub, tmp_path: Path) -> None:
    code, said = run(hub, tmp_path, "small")
    assert code == 0
    assert said[-1]["done"] == said[-1]["total"] > 0
    fetched = list((tmp_path / "cache" / "models--facebook--musicgen-small").rglob("*.safetensors"))
    assert fetched


def test_what_is_wrong_is_said(hub: Hub, tmp_path: Path) -> None:
    hub.broken.add("model.safetensors")
    code, said = run(hub, tmp_path, "small")
    assert code == 1
    assert "can't be fetched" in said[-1]["error"]
    assert "nano meanwhile" in said[-1]["error"]
    hub.broken.clear()
    assert run(hub, tmp_path, "small")[0] == 0


def test_it_ends_with_whoever_started_it(hub: Hub, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "small"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=environment(hub, tmp_path),
    )  # fmt: skip
    assert process.wait(60) in (0, 3)


def test_only_known_models_are_fetched() -> None:
    with pytest.raises(ModelError, match="'someone/else' is not a model that can be downloaded"):
        fetch("someone/else", lambda message: None)


def test_too_little_room_is_told_at_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage(9e9, 8e9, 1e9))
    with pytest.raises(OutputError, match=r"needs 2\.4 GB on the disk, but 1\.0 GB"):
        download._check_room("small", 2_400_000_000)
    download._check_room("small", 900_000_000)
