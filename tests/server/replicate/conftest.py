"""A server to drive, and what is sent to it."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import replicate

from tests.server.clients import TOKEN, pretending_server
from tests.server.fakes import write_tone
from tests.server.server_process import Hook


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pretending_server(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def client(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[replicate.Client]:
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.05")
    made = replicate.Client(api_token=TOKEN, base_url=url)
    yield made
    made._client.close()


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "tune.wav")


@pytest.fixture
def songs(tmp_path: Path, tune: Path) -> Path:
    """An archive with two songs."""
    path = tmp_path / "songs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tune, "one.wav")
        archive.write(tune, "two.wav")
    return path


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()
