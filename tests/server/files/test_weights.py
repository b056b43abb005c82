"""Weights behind URLs: kept by their content, and fetched again only when that has changed."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from songloom.errors import FetchError
from songloom.server.files.addresses import FetchRules
from songloom.server.files.fetch import Fetcher
from songloom.server.files.given_files import GivenFiles
from songloom.server.files.weights import WeightsFolder


class Storage(ThreadingHTTPServer):
    """Gives one file under every path, with a tag where it has one."""

    content, tag, full = b"weights", '"1"', 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, path: str = "/trained_model.tar") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Storage

    def do_GET(self) -> None:
        storage = self.server
        same = bool(storage.tag) and self.headers.get("If-None-Match") == storage.tag
        self.send_response(304 if same else 200)
        if storage.tag:
            self.send_header("ETag", storage.tag)
        if not same:
            storage.full += 1
            self.send_header("Content-Length", str(len(storage.content)))
        self.end_headers()
        if not same:
            self.wfile.write(storage.content)

    def log_message(self, *words: object) -> None:
        pass


class NoneOfOurs:
    def find(self, url: str) -> None:
        return None


@pytest.fixture
def storage() -> Iterator[Storage]:
    with Storage() as storage:
        thread = threading.Thread(target=storage.serve_forever, args=(0.01,))
        thread.start()
        yield storage
        storage.shutdown()
        thread.join()


@pytest.fixture
def weights(tmp_path: Path) -> WeightsFolder:
    fetcher = Fetcher(FetchRules((), ("127.0.0.1",), 1_000_000, 5.0))
    files = GivenFiles(fetcher, NoneOfOurs())  # type: ignore[arg-type]
    return WeightsFolder(fetcher, files, tmp_path / "weights")


def given(job: Path) -> list[bytes]:
    """The weights in a job's folder."""
    return [path.read_bytes() for path in (job / "inputs" / "replicate_weights").iterdir()]


def test_what_has_not_changed_is_not_fetched_again(
    storage: Storage, weights: WeightsFolder, tmp_path: Path
) -> None:
    jobs = [tmp_path / "j1", tmp_path / "j2"]
    first, second = (asyncio.run(weights.get(storage.url(), job)) for job in jobs)
    assert first == second
    assert first.read_bytes() == b"weights"
    assert storage.full == 1
    assert [given(job) for job in jobs] == [[b"weights"], [b"weights"]]


def test_what_has_changed_is_another_model(
    storage: Storage, weights: WeightsFolder, tmp_path: Path
) -> None:
    first = asyncio.run(weights.get(storage.url(), tmp_path / "j1"))
    storage.content, storage.tag = b"others!", '"2"'
    second = asyncio.run(weights.get(storage.url(), tmp_path / "j2"))
    assert (first.read_bytes(), second.read_bytes()) == (b"weights", b"others!")


@pytest.mark.parametrize("tag", ["", 'W/"1"'])
def test_only_an_exact_tag_is_believed(
    storage: Storage, weights: WeightsFolder, tmp_path: Path, tag: str
) -> None:
    storage.tag = tag
    asyncio.run(weights.get(storage.url(), tmp_path / "j1"))
    storage.content = b"others!"
    second = asyncio.run(weights.get(storage.url(), tmp_path / "j2"))
    assert second.read_bytes() == b"others!"
    assert storage.full == 2


def test_files_of_one_name_are_told_apart(
    storage: Storage, weights: WeightsFolder, tmp_path: Path
) -> None:
    first = asyncio.run(weights.get(storage.url("/ann/trained_model.tar"), tmp_path / "j1"))
    storage.content, storage.tag = b"bob's", '"2"'
    second = asyncio.run(weights.get(storage.url("/bob/trained_model.tar"), tmp_path / "j2"))
    assert first.name == second.name
    assert (first.read_bytes(), second.read_bytes()) == (b"weights", b"bob's")


def test_weights_that_were_removed_are_fetched_again(
    storage: Storage, weights: WeightsFolder, tmp_path: Path
) -> None:
    kept = asyncio.run(weights.get(storage.url(), tmp_path / "j1"))
    kept.unlink()
    assert asyncio.run(weights.get(storage.url(), tmp_path / "j2")).read_bytes() == b"weights"
    assert storage.full == 2


def test_a_job_that_runs_again_needs_its_url_no_more(
    storage: Storage, weights: WeightsFolder, tmp_path: Path
) -> None:
    url = storage.url()
    kept = asyncio.run(weights.get(url, tmp_path / "j1"))
    asyncio.run(weights.get(url, tmp_path / "j2"))
    storage.shutdown()
    storage.server_close()
    fetcher = Fetcher(FetchRules((), ("127.0.0.1",), 1_000_000, 5.0))
    files = GivenFiles(fetcher, NoneOfOurs())  # type: ignore[arg-type]
    later = WeightsFolder(fetcher, files, tmp_path / "weights")
    for job in ("j1", "j2"):
        assert asyncio.run(later.get(url, tmp_path / job)) == kept
    with pytest.raises(FetchError, match="can't be reached"):
        asyncio.run(later.get(url, tmp_path / "j3"))
