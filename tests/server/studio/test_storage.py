"""Room on the disk, and the export of everything."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from songloom.checkpoints.home import models_folder, runs_folder
from songloom.jobs.paths import folder_size
from songloom.jobs.store.records import Job
from songloom.jobs.store.store import Store
from songloom.server.render import exports
from songloom.server.render.exports import export
from tests.server.serving import Serving
from tests.server.studio.test_library import made, trained


def test_everything_counts_once(server: Serving) -> None:
    empty = server.client.get("/v1/storage").json()
    assert {name: size for name, size in empty.items() if name.endswith("_bytes") and size} == {
        "free_bytes": empty["free_bytes"]
    }
    kept, binned, training = made(server), made(server), trained(server)
    server.client.delete(f"/v1/library/{binned}")
    server.client.post("/v1/files", files={"content": b"12345"})
    (models_folder() / "mine").mkdir(parents=True)
    (models_folder() / "mine" / "config.json").write_text("{}")
    storage = server.client.get("/v1/storage").json()
    folder = server.services.dispatcher.folder
    sizes = {id: folder_size(folder(id)) for id in (kept, training)}
    assert storage["results_bytes"] == storage["bin_bytes"] == sizes[kept] > 0
    assert storage["trained_bytes"] == sizes[training] + 2 + folder_size(runs_folder())
    assert storage["uploads_bytes"] == 5
    assert storage["datasets_bytes"] == storage["downloaded_bytes"] == 0
    assert storage["free_bytes"] > 0


def test_all_results_by_readable_names(server: Serving) -> None:
    first, second = made(server, "warm / piano"), made(server, "warm / piano", count=2)
    titled, binned, training = made(server), made(server), trained(server)
    server.client.patch(f"/v1/library/{titled}", json={"title": "Größe", "favorite": True})
    server.client.delete(f"/v1/library/{binned}")
    answer = server.client.get(server.client.get("/v1/storage").json()["urls"]["export"])
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="songloom ' in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    day = server.job(first).created_at.strftime("%Y-%m-%d")
    library = json.loads(archive.read("library.json"))
    assert [item["id"] for item in library] == [training, titled, second, first]
    by_id = {item["id"]: item for item in library}
    assert by_id[titled]["files"] == [f"music/{day} Größe.wav"]
    assert by_id[titled]["favorite"]
    assert by_id[training]["files"] == [f"models/{day} me-my-style.tar"]
    pieces = [f"music/{day} warm - piano {number}.wav" for number in (1, 2)]
    assert by_id[second]["files"] == pieces
    assert by_id[first]["files"] == [f"music/{day} warm - piano.wav"]
    for item in library:
        for name in item["files"]:
            assert archive.read(name)


def test_no_two_files_have_one_name(server: Serving) -> None:
    ids = [made(server, prompt) for prompt in ("Warm piano", "warm PIANO", "warm piano")]
    answer = server.client.get("/v1/storage/export")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert len({name.casefold() for name in names}) == len(names) == len(ids) + 1
    assert any("(3)" in name for name in names)


def test_one_kind_alone(server: Serving) -> None:
    made(server)
    training = trained(server)
    answer = server.client.get("/v1/storage/export?kind=training")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert [item["id"] for item in json.loads(archive.read("library.json"))] == [training]
    assert server.client.get("/v1/storage/export?kind=song").status_code == 422


def test_it_is_written_while_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No piece holds much, however much there is, and pages of items follow each other."""
    monkeypatch.setattr(exports, "_AT_ONCE", 2)
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    inline = "data:audio/wav;base64," + "A" * 5000
    for number in range(5):
        given = {"prompt": f"song {number}", "input_audio": inline}
        job = Job(str(number), "prediction", "replicate", given, "nano")
        store.add_job(job, limit=10)
        store.finish(job.id, "succeeded", output={"files": ["output.wav", "gone.wav"]})
        (tmp_path / job.id).mkdir()
        (tmp_path / job.id / "output.wav").write_bytes(bytes(1 << 20))
    pieces = list(export(store.library, lambda id: tmp_path / id))
    store.close()
    assert max(map(len, pieces)) < 1 << 19
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    library = json.loads(archive.read("library.json"))
    assert [len(item["files"]) for item in library] == [1] * 5
    assert library[0]["input"] == {"prompt": "song 4"}


def test_the_music_alone_can_be_exported(server: Serving) -> None:
    made(server), trained(server)
    answer = server.client.get(server.client.get("/v1/storage").json()["urls"]["export_music"])
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert {name.partition("/")[0] for name in names} == {"music", "library.json"}
