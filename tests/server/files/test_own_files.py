"""The server's own URLs as inputs, whatever clients reach it by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from songloom.errors import FetchError
from songloom.jobs.store.records import Job, StoredFile
from songloom.jobs.store.store import Store
from songloom.server.datasets.store import DatasetStore
from songloom.server.files.own_files import OwnFile, OwnFiles
from songloom.server.files.uploads import FileFolder
from songloom.server.http.signing import Signer
from songloom.settings import ServeSettings

DATA = "data:audio/wav;base64,UklGRg=="


@dataclass
class Place:
    """A server's files."""

    folder: Path
    store: Store
    signer: Signer

    def own(self, **settings: Any) -> OwnFiles:
        files = FileFolder(self.folder / "files")
        return OwnFiles(
            ServeSettings(**settings),
            self.store,
            files,
            DatasetStore(self.folder / "datasets"),
            self.signer,
            self.folder / "jobs",
        )

    @property
    def result(self) -> Path:
        return self.folder / "jobs" / "j1" / "output.wav"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    place = Place(tmp_path, store, Signer.from_store(store))
    store.add_file(StoredFile("f1", "song.wav", "audio/wav", 4, "00"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "f1").write_bytes(b"RIFF")
    input = {"prompt": "x", "input_audio": DATA, "melody_audio": "https://music.example/x"}
    store.add_job(Job("j1", "prediction", "cog", input, "nano"), limit=9)
    store.finish("j1", "succeeded", output={"files": ["output.wav"]})
    place.result.parent.mkdir(parents=True)
    place.result.write_bytes(b"RIFF")
    (place.result.parent / "secret.txt").write_bytes(b"-")
    yield place
    store.close()


@pytest.mark.parametrize("path", ["/v1/files/f1", "/v1/files/f1/download", "/v1/files/%661"])
@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:8000", "https://anywhere.example", "http://x:1"]
)
def test_an_upload_is_known_by_its_id(place: Place, host: str, path: str) -> None:
    expected = OwnFile(place.folder / "files" / "f1", "song.wav")
    assert place.own().find(f"{host}{path}?a=b#c") == expected


HERE = [
    ({}, "http://127.0.0.1:8000"),
    ({}, "http://localhost:8000"),
    ({}, "http://[::1]:8000"),
    ({"host": "10.1.2.3", "port": 80}, "http://10.1.2.3"),
    ({"public_url": "https://music.example"}, "https://music.example"),
    ({"public_url": "https://music.example"}, "https://MUSIC.example:443"),
    ({"public_url": "https://music.example/make"}, "https://music.example/make"),
    ({"public_url": "https://music.example"}, "http://127.0.0.1:8000"),
]


@pytest.mark.parametrize(("settings", "base"), HERE)
def test_a_result_here_needs_no_signature(place: Place, settings: Any, base: str) -> None:
    found = place.own(**settings).find(f"{base}/v1/outputs/j1/output.wav")
    assert found == OwnFile(place.result, "output.wav")


@pytest.mark.parametrize(("settings", "base"), HERE)
def test_what_is_gone_here_is_not_asked_for(place: Place, settings: Any, base: str) -> None:
    own = place.own(**settings)
    for path in ("files/unknown", "outputs/j1/secret.txt", "outputs/unknown/output.wav"):
        with pytest.raises(FetchError, match="is not here, or no more"):
            own.find(f"{base}/v1/{path}")
    place.result.unlink()
    with pytest.raises(FetchError, match="is not here, or no more"):
        own.find(f"{base}/v1/outputs/j1/output.wav")


def test_a_result_elsewhere_is_ours_where_we_signed_it(place: Place) -> None:
    own = place.own()
    bare = "https://other.example/v1/outputs/j1/output.wav"
    assert own.find(bare) is None
    assert own.find(f"{bare}?expires=9999999999&signature=00") is None
    signed = place.signer.sign("/v1/outputs/j1/output.wav")
    assert own.find(f"https://other.example{signed}") == OwnFile(place.result, "output.wav")


def test_an_input_of_a_job_leads_to_what_was_given(place: Place) -> None:
    base = "http://127.0.0.1:8000/v1/outputs/j1"
    assert place.own().find(f"{base}/input-input_audio") == DATA
    for name in ("input-melody_audio", "input-prompt", "input-x"):  # of no such form
        with pytest.raises(FetchError):
            place.own().find(f"{base}/{name}")


@pytest.mark.parametrize(
    "url",
    [
        "https://music.example/song.wav",
        "https://music.example/v1/files/other",
        "https://music.example/v1/predictions/j1",
        "http://127.0.0.1:8001/v1/outputs/j1/output.wav",
        "http://127.0.0.1:99999/v1/outputs/j1/output.wav",
        "http://127.0.0.1:8000/v2/files/f1",
        "http://127.0.0.1:8000/v1/files/f1/more/download",
        "http://127.0.0.1:8000/v1/outputs/j1/..%2Foutput.wav",
        "ftp://127.0.0.1:8000/v1/files/f1",
        DATA,
    ],
)
def test_other_urls_are_not_ours(place: Place, url: str) -> None:
    assert place.own().find(url) is None


def test_nothing_leads_out_of_the_folders(place: Place) -> None:
    own: Callable[[str], Any] = place.own().find
    for path in ("outputs/../secret", "outputs/j1/..", "outputs/%2e%2e/songloom.db", "files/.."):
        with pytest.raises(FetchError):
            own(f"http://127.0.0.1:8000/v1/{path}")
