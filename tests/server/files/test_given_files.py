"""Files that jobs are given: where they lie, and what they are called."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from songloom.errors import FetchError
from songloom.server.files.copies import link
from songloom.server.files.fetch import Fetched
from songloom.server.files.given_files import GivenFile, GivenFiles

TAR = bytes(257) + b"ustar\0" + bytes(300)


class FetcherOf:
    """Gives every URL the same content, and counts."""

    def __init__(self, content: bytes, name: str, error: str = "") -> None:
        self.content, self.name, self.error = content, name, error
        self.asked: list[str] = []

    async def fetch(self, url: str, target: Path) -> Fetched:
        self.asked.append(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.error:
            target.with_name(".broken").write_bytes(b"")
            raise FetchError(self.error)
        target.write_bytes(self.content)
        return Fetched(target, "", self.name)


class NoneOfOurs:
    def find(self, url: str) -> None:
        return None


def get(fetcher: FetcherOf, job: Path, field: str = "input_audio") -> Path:
    files: Any = GivenFiles(fetcher, NoneOfOurs())  # type: ignore[arg-type]
    found: GivenFile = asyncio.run(files.get("https://music.example/x", job, field))
    return found.path


@pytest.mark.parametrize(
    ("name", "content", "called"),
    [
        ("song.wav", b"anything", "song.wav"),
        ("Songs.TGZ", b"anything", "Songs.TGZ"),
        ("labels.csv", b"file,bpm", "labels.csv"),
        ("upload", b"PK\3\4" + bytes(30), "upload.zip"),
        ("upload", b"\x1f\x8b" + bytes(30), "upload.tar.gz"),
        ("upload", TAR, "upload.tar"),
        ("upload", b"RIFF\0\0\0\0WAVEfmt ", "upload.wav"),
        ("upload", b"FORM\0\0\0\0AIFFCOMM", "upload.aiff"),
        ("upload", b"fLaC" + bytes(30), "upload.flac"),
        ("upload", b"OggS" + bytes(30), "upload.ogg"),
        ("upload", b"ID3\4" + bytes(30), "upload.mp3"),
        ("upload", b"\xff\xfb\x90" + bytes(30), "upload.mp3"),
        ("upload", b"\0\0\0\x20ftypM4A ", "upload.m4a"),
        ("upload.bin", b"\0\0\0\x20ftypM4A ", "upload.bin.m4a"),
        ("upload", b"", "upload"),
        ("upload", b"\xff", "upload"),
        ("upload", b"who knows", "upload"),
    ],
)
def test_a_name_tells_what_a_file_is(
    tmp_path: Path, name: str, content: bytes, called: str
) -> None:
    path = get(FetcherOf(content, name), tmp_path)
    assert path == tmp_path / "inputs" / "input_audio" / called
    assert path.read_bytes() == content


def test_a_file_is_fetched_once_for_a_job(tmp_path: Path) -> None:
    fetcher = FetcherOf(b"one", "a.wav")
    first = get(fetcher, tmp_path)
    fetcher.content, fetcher.name = b"two", "b.wav"
    assert get(fetcher, tmp_path) == first
    assert len(fetcher.asked) == 1
    assert get(fetcher, tmp_path, "melody_audio").read_bytes() == b"two"


def test_what_broke_off_is_fetched_again(tmp_path: Path) -> None:
    fetcher = FetcherOf(b"one", "a.wav", error="it broke off")
    with pytest.raises(FetchError, match="broke off"):
        get(fetcher, tmp_path)
    fetcher.error = ""
    assert get(fetcher, tmp_path).read_bytes() == b"one"


def test_a_disk_without_links_is_copied_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    source = tmp_path / "source"
    source.write_bytes(b"music")
    link(source, tmp_path / "new" / "linked")
    assert (tmp_path / "new" / "linked").samefile(source)
    monkeypatch.setattr(os, "link", refuse)
    link(source, tmp_path / "new" / "copied")
    assert (tmp_path / "new" / "copied").read_bytes() == b"music"
    assert not (tmp_path / "new" / "copied").samefile(source)
