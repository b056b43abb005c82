"""Uploaded files arrive whole, whatever form the clients give them, or leave nothing behind."""

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.errors import OutputError, RequestError
from songloom.jobs.store.records import StoredFile
from songloom.server.files.incoming import IncomingFile, open_incoming
from songloom.server.files.uploads import LONGEST_FIELD, FileFolder

SONG = os.urandom(300_000) + b"\r\n--limit\r\n" + b"\r\n" * 1000
KIND = "multipart/form-data; boundary=limit"


def part(name: str, content: bytes, more: str = "", header: str = "") -> bytes:
    lines = f'--limit\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{header}\r\n'
    return lines.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--limit--\r\n"


def receive(
    folder: Path, body: bytes, kind: str = KIND, sizes: Iterable[int] = (65536,)
) -> StoredFile:
    """Upload a body that comes in pieces of these sizes, again and again."""

    async def pieces() -> AsyncIterator[bytes]:
        at = 0
        while at < len(body):
            for size in sizes:
                yield body[at : at + size]
                at += size

    return asyncio.run(FileFolder(folder).receive(kind, pieces()))


def test_what_the_python_client_sends(tmp_path: Path) -> None:
    """As `replicate.files.create` makes it: metadata is a field, the type is guessed by httpx."""
    request = httpx2.Request(
        "POST",
        "http://localhost/v1/files",
        data={"metadata": json.dumps({"mood": "warm", "n": 1})},
        files={"content": ("Früh.mp3", SONG, "audio/mpeg")},
    )
    stored = receive(tmp_path, request.read(), request.headers["content-type"])
    assert (stored.name, stored.content_type) == ("Früh.mp3", "audio/mpeg")
    assert stored.metadata == {"mood": "warm", "n": 1}
    assert stored.size == len(SONG)
    assert stored.sha256 == hashlib.sha256(SONG).hexdigest()
    assert FileFolder(tmp_path).path(stored.id).read_bytes() == SONG


def test_what_the_javascript_client_sends(tmp_path: Path) -> None:
    """`metadata` is a Blob: a part with a file name and a type."""
    blob = "Content-Type: application/json\r\n"
    body = form(
        part("content", b"abc", '; filename="a.wav"', "Content-Type: audio/wav\r\n"),
        part("metadata", b'{"k": [1]}', '; filename="blob"', blob),
    )
    stored = receive(tmp_path, body)
    assert (stored.name, stored.content_type, stored.size) == ("a.wav", "audio/wav", 3)
    assert stored.metadata == {"k": [1]}


def test_fields_of_the_form_win_over_the_parts_headers(tmp_path: Path) -> None:
    body = form(
        part("filename", b"song.flac"),
        part("type", b"audio/flac; rate=44100"),
        part("content", b"abc", '; filename="upload"', "Content-Type: text/html\r\n"),
        part("other", b"x" * (LONGEST_FIELD + 1)),
    )
    stored = receive(tmp_path, body)
    assert (stored.name, stored.content_type) == ("song.flac", "audio/flac")


@pytest.mark.parametrize("kind", ["", "audio", "a/b/c", "text/html\x00", "x" * 200 + "/a"])
def test_a_type_that_is_none_is_not_taken(tmp_path: Path, kind: str) -> None:
    body = form(part("content", b"abc"), part("type", kind.encode()))
    stored = receive(tmp_path, body)
    assert (stored.name, stored.content_type) == ("file", "application/octet-stream")
    assert stored.metadata == {}


def test_a_name_is_no_path(tmp_path: Path) -> None:
    stored = receive(tmp_path, form(part("content", b"a", '; filename="../../x.wav"')))
    assert stored.name == "x.wav"
    assert [path.name for path in tmp_path.rglob("*")] == [stored.id]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    stored = receive(tmp_path, form(part("content", b"", '; filename="a.wav"')))
    assert stored.size == 0
    assert FileFolder(tmp_path).path(stored.id).read_bytes() == b""


@given(
    content=st.binary(max_size=200) | st.just(b"\r\n--limi") | st.just(b"\r\n--limit-\r\n\r"),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4),
)
def test_bytes_do_not_depend_on_how_they_come(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, sizes: list[int]
) -> None:
    if b"\r\n--limit" in b"\r\n" + content:
        return  # the boundary is the client's to choose, so that it is not in the file
    folder = tmp_path_factory.getbasetemp() / "pieces"
    body = form(part("metadata", b"{}"), part("content", content), part("filename", b"a.wav"))
    stored = receive(folder, body, sizes=sizes)
    assert FileFolder(folder).path(stored.id).read_bytes() == content
    assert stored.name == "a.wav"


WHOLE = form(part("content", b"abc"))


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"{}", "application/json", "multipart/form-data"),
        (WHOLE, "", "multipart/form-data"),
        (WHOLE, "multipart/form-data", "boundary"),
        (WHOLE, "multipart/form-data; boundary=" + "x" * 2000, "can't be read"),
        (WHOLE, "multipart/form-data; boundary=other", "can't be read"),
        (b"", KIND, "ends in the middle"),
        (WHOLE[:-12], KIND, "ends in the middle"),
        (form(part("file", b"abc")), KIND, "content is missing"),
        (form(part("content", b"a"), part("content", b"b")), KIND, "content is given twice"),
        (form(part("content", b"a"), part("metadata", b"[1]")), KIND, "an object in JSON"),
        (form(part("content", b"a"), part("metadata", b'{"a": NaN}')), KIND, "an object in JSON"),
        (form(part("content", b"a"), part("metadata", b"[" * 100_000)), KIND, "an object"),
        (form(part("content", b"a"), part("metadata", b"\xff")), KIND, "an object in JSON"),
        (form(part("content", b"a"), part("metadata", b'{"a": "\\ud800"}')), KIND, "whole char"),
        (form(part("content", b"a"), part("metadata", b'{"\\ud800": 1}')), KIND, "whole char"),
        (form(part("content", b"a"), part("metadata", b'{"a": 1e999}')), KIND, "an object in"),
        (
            form(
                part("content", b"a"),
                part("metadata", b'{"a":' + b"[" * 60 + b"]" * 60 + b"}"),
            ),
            KIND,
            "at most 50 levels",
        ),
        (form(part("type", b"x" * (LONGEST_FIELD + 1))), KIND, "type has more than"),
        (form(*[part("x", b"")] * 200), KIND, "more than 100 parts"),
        (b"--limit\r\nno colon\r\n\r\n", KIND, "can't be read"),
        (b"--limit\r\nA: " + b"x" * 100_000, KIND, "can't be read"),
        (os.urandom(1000), KIND, "can't be read"),
    ],
)
def test_what_is_no_form_is_refused_and_leaves_nothing(
    tmp_path: Path, body: bytes, kind: str, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        receive(tmp_path, body, kind)
    assert list(tmp_path.iterdir()) == []


class LeftError(Exception):
    """As a framework says that the client is gone."""


@pytest.mark.parametrize(
    "error",
    [LeftError(), TimeoutError(), ConnectionResetError(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
def test_a_client_that_leaves_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield form(part("content", b"abc"))[:-20]
        raise error

    with pytest.raises(type(error)):
        asyncio.run(FileFolder(tmp_path).receive(KIND, pieces()))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = IncomingFile._write

    def fill(file: IncomingFile, piece: bytes) -> None:
        if file.size > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, piece)

    monkeypatch.setattr(IncomingFile, "_write", fill)
    with pytest.raises(OutputError, match="No space left"):
        receive(tmp_path, form(part("content", SONG)))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_a_part_gets_the_rest(tmp_path: Path) -> None:
    """An unbuffered write may take less than all, by its contract."""

    async def write() -> str:
        async with open_incoming(tmp_path / "song") as file:
            whole = file._file

            class Slow:
                def write(self, piece: memoryview) -> int:
                    return whole.write(piece[:1000])

                def close(self) -> None:
                    whole.close()

            file._file = Slow()  # type: ignore[assignment]
            await file.write(SONG)
        return file.sha256

    assert asyncio.run(write()) == hashlib.sha256(SONG).hexdigest()
    assert (tmp_path / "song").read_bytes() == SONG


def test_a_server_that_was_killed_leaves_nothing_for_long(tmp_path: Path) -> None:
    stored = receive(tmp_path, WHOLE)
    (tmp_path / ".0123456789abcdef.part").write_bytes(b"half")
    FileFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [stored.id]


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="--folder"):
        FileFolder(tmp_path / "file" / "files")


def test_files_are_removed(tmp_path: Path) -> None:
    folder = FileFolder(tmp_path)
    stored = receive(tmp_path, WHOLE)
    folder.remove(stored.id)
    folder.remove(stored.id)  # retention and people may both want it
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id", ["", "..", "../x", "a/b", ".x.part", "A", "a" * 65, "é"])
def test_ids_are_no_paths(tmp_path: Path, id: str) -> None:
    with pytest.raises(RequestError, match="must be that of a file"):
        FileFolder(tmp_path).path(id)
