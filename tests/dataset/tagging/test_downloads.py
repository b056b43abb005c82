"""Fetching the tagger's files."""

import hashlib
import io
from pathlib import Path
from urllib.error import URLError

import pytest

from songloom.dataset.tagging import downloads
from songloom.dataset.tagging.downloads import FILES, FOLDER_VARIABLE, PublishedFile, tagger_folder
from songloom.errors import ModelError
from songloom.progress import DownloadProgress, ProgressEvent, Stage

CONTENTS = {"a.onnx": b"a" * 300_000, "a.json": b"{}"}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Two files to fetch instead of six; the addresses that were asked for."""
    files = tuple(
        PublishedFile("folder", name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in CONTENTS.items()
    )
    asked: list[str] = []

    def answer(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(CONTENTS[address.rpartition("/")[2]])

    monkeypatch.setattr(downloads, "FILES", files)
    monkeypatch.setattr("urllib.request.urlopen", answer)
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return asked


def test_files_arrive_once(published: list[str], tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    folder = tagger_folder(events.append)
    assert folder == tmp_path / "home" / "downloads" / "discogs-effnet"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENTS
    assert published[0] == "https://essentia.upf.edu/models/folder/a.onnx"
    assert isinstance(events[0], Stage)  # the licence comes before the first byte
    assert "CC BY-NC-SA 4.0" in events[0].name
    assert events[-1] == DownloadProgress("Discogs-EffNet", 300_002, 300_002)
    assert tagger_folder() == folder
    assert len(published) == 2


def test_a_damaged_file_is_fetched_again(published: list[str]) -> None:
    (tagger_folder() / "a.json").write_text("{")
    assert (tagger_folder() / "a.json").read_text() == "{}"
    assert len(published) == 3


@pytest.mark.parametrize("content", [b"", b"b" * 300_000, b"a" * 10_000_000])
def test_a_wrong_file_is_refused(
    published: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    monkeypatch.setitem(CONTENTS, "a.onnx", content)
    with pytest.raises(ModelError, match="is not the file that was expected: its SHA-256"):
        tagger_folder()
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_no_network(published: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: str, timeout: float) -> io.BytesIO:
        raise URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(ModelError, match=rf"no route to host.*set {FOLDER_VARIABLE}"):
        tagger_folder()


def test_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(ModelError, match="which has no discogs-effnet-bsdynamic"):
        tagger_folder()
    for file in FILES:
        (tmp_path / file.name).touch()
    assert tagger_folder() == tmp_path
