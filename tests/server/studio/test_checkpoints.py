"""The models of the machine over HTTP."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from songloom.checkpoints.downloaded import repository_folder
from songloom.checkpoints.home import models_folder, trained_model
from songloom.jobs.store.records import Version
from songloom.server.app import make_app
from songloom.server.processes.downloads import Downloads
from songloom.server.services import open_services
from songloom.server.studio.checkpoints import checkpoint_events
from songloom.settings import ServeSettings
from tests.server.fakes import FakeExecutor
from tests.server.processes.test_downloads import SCRIPTS
from tests.server.serving import HOST, Serving
from tests.tiny import tiny_model
from tests.waiting import wait_until


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file; while it is there, downloads tell nothing."""
    return tmp_path / "gate"


@pytest.fixture
def fetching(tmp_path: Path, gate: Path) -> Iterator[Serving]:
    """A server whose downloads begin, and do not end."""
    settings = ServeSettings(folder=tmp_path / "server", drain_seconds=0.0)
    executor = FakeExecutor()
    services = open_services(settings, executor, ("cpu",))
    wait = f"import os, time\nwhile os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    command = (sys.executable, "-c", wait + SCRIPTS["endless"])
    services = replace(services, downloads=Downloads(command))
    with TestClient(make_app(services), base_url=HOST) as client:
        yield Serving(client, services, executor, [])
    services.store.close()


def listed(server: Serving) -> dict[str, dict[str, Any]]:
    results = server.client.get("/v1/checkpoints").json()["results"]
    return {model["name"]: model for model in results}


def trained(server: Serving, name: str, base: str = "nano", training: str = "t") -> None:
    folder = models_folder() / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(f'{{"base_model_name_or_path": "{base}"}}')
    (folder / "adapter_model.safetensors").write_bytes(b"1234")
    server.services.store.add_version(Version("ab" * 32, "me", name, name, training))


def fetched(name: str = "small") -> Path:
    """The folder of a model that was fetched, as the hub's client leaves it."""
    repository = repository_folder(f"facebook/musicgen-{name}")
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    tiny_model(snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    return repository


def test_the_included_model(server: Serving) -> None:
    nano = listed(server)["nano"]
    assert nano["size_bytes"] > 1e6
    assert nano["parameters"].endswith("M")
    assert nano == nano | {
        "included": True,
        "installed": True,
        "trained": False,
        "melody": True,
        "stereo": False,
        "repeats_after_seconds": 30,
        "licence": "Apache-2.0",
        "non_commercial": False,
        "download": None,
        "download_bytes": None,
        "error": None,
    }


def test_an_official_one_that_is_to_be_had(server: Serving) -> None:
    models = listed(server)
    assert models["stereo-melody"] == {
        "name": "stereo-melody",
        "repeats_after_seconds": None,
        "description": "Follows the melody of a recording; as large as medium; in stereo.",
        "parameters": "1.5B",
        "stereo": True,
        "melody": True,
        "included": False,
        "installed": False,
        "trained": False,
        "size_bytes": None,
        "download_bytes": 6_300_000_000,
        "licence": "CC-BY-NC 4.0",
        "licence_url": "https://creativecommons.org/licenses/by-nc/4.0/",
        "non_commercial": True,
        "download": None,
        "error": None,
    }
    assert all(model["description"] for model in models.values())


def test_a_trained_one(server: Serving) -> None:
    trained(server, "my style")
    model = listed(server)["my style"]
    assert model["description"] == "Learned from your songs, on nano."
    assert (model["trained"], model["installed"], model["melody"]) == (True, True, True)
    assert model["licence_url"] == "https://www.apache.org/licenses/LICENSE-2.0"
    assert "me/my style" in server.client.get("/v1/machine").json()["models"]


def test_one_that_lacks_files_says_so(server: Serving) -> None:
    (models_folder() / "half").mkdir(parents=True)
    model = listed(server)["half"]
    assert (model["installed"], model["trained"]) == (False, True)
    assert "lacks files" in model["error"]


def test_a_model_in_the_bin_is_not_offered(server: Serving) -> None:
    url = "/v1/models/songloom/nano/versions/{}/trainings"
    version = server.client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    songs = "data:application/zip;base64,UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="
    body = {"destination": "me/mine", "input": {"dataset_path": songs}}
    id = server.client.post(url.format(version), json=body).json()["id"]
    job = server.ended(id)
    assert job.output is not None
    server.services.store.remove_version(job.output["version"])
    trained(server, "mine", training=id)
    assert "mine" in listed(server)
    server.client.delete(f"/v1/library/{id}")
    assert "mine" not in listed(server)
    assert "me/mine" not in server.client.get("/v1/machine").json()["models"]
    assert trained_model("mine") is not None
    server.client.post(f"/v1/library/{id}/restore")
    assert "mine" in listed(server)
    assert server.client.delete(f"/v1/library/{id}?forever=true").status_code == 204
    assert trained_model("mine") is None


def test_fetching_and_thinking_better_of_it(fetching: Serving) -> None:
    client = fetching.client
    begun = client.post("/v1/checkpoints/small/download")
    assert begun.status_code == 202
    assert begun.json()["name"] == "small"
    assert begun.json()["download"] in ({"done": 0, "total": 0}, {"done": 5, "total": 10})
    wait_until(lambda: listed(fetching)["small"]["download"] == {"done": 5, "total": 10})
    assert client.post("/v1/checkpoints/small/download").status_code == 202
    busy = client.delete("/v1/checkpoints/small")
    assert busy.status_code == 409
    assert "being downloaded" in busy.json()["detail"]
    stopped = client.post("/v1/checkpoints/small/cancel")
    assert (stopped.status_code, stopped.json()["download"]) == (200, None)


def test_what_changes_is_told(fetching: Serving, gate: Path) -> None:
    services = fetching.services
    gate.touch()

    async def watch() -> list[Any]:
        services.downloads.start("small")
        told = []
        async for name, model in checkpoint_events(services):
            told.append((name, model["name"], model["download"]))
            gate.unlink(missing_ok=True)
            if model["download"] == {"done": 5, "total": 10}:
                await services.downloads.cancel("small")
            if model["download"] is None:
                services.dispatcher.draining = True
        return told

    told = asyncio.run(watch())
    assert told[0] == ("checkpoint", "small", {"done": 0, "total": 0})
    assert told[-1] == ("checkpoint", "small", None)
    services.dispatcher.draining = False


def test_what_is_here_is_not_fetched_again(server: Serving) -> None:
    fetched()
    trained(server, "mine")
    for name, said in (("nano", "already"), ("small", "already"), ("mine", "nothing to download")):
        answer = server.client.post(f"/v1/checkpoints/{name}/download")
        assert answer.status_code == 409
        assert said in answer.json()["detail"]


def test_a_fetched_one_is_removed(server: Serving) -> None:
    folder = fetched()
    assert listed(server)["small"]["installed"]
    size = listed(server)["small"]["size_bytes"]
    assert server.client.get("/v1/storage").json()["downloaded_bytes"] >= size > 0
    assert server.client.delete("/v1/checkpoints/small").status_code == 204
    assert not folder.exists()
    assert not listed(server)["small"]["installed"]
    assert server.client.delete("/v1/checkpoints/small").status_code == 404


def test_a_trained_one_is_removed_with_its_version(server: Serving) -> None:
    trained(server, "my style")
    assert server.client.delete("/v1/checkpoints/my%20style").status_code == 204
    assert trained_model("my style") is None
    assert server.services.store.all_versions() == []


def test_what_is_needed_stays(server: Serving) -> None:
    trained(server, "mine")
    (models_folder() / "whole").mkdir()
    (models_folder() / "whole" / "config.json").write_text("{}")
    (models_folder() / "whole" / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (models_folder() / "on-whole").mkdir()
    (models_folder() / "on-whole" / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "whole"}'
    )
    (models_folder() / "on-whole" / "adapter_model.safetensors").write_bytes(b"")
    body = {"version": "me/mine", "input": {"prompt": "hang"}}
    id = server.client.post("/v1/predictions", json=body).json()["id"]
    for name, said in (("mine", "in use"), ("nano", "comes with"), ("whole", "'on-whole'")):
        answer = server.client.delete(f"/v1/checkpoints/{name}")
        assert answer.status_code == 409
        assert said in answer.json()["detail"]
    server.client.post(f"/v1/predictions/{id}/cancel")
    server.ended(id)
    assert server.client.delete("/v1/checkpoints/mine").status_code == 204


@pytest.mark.parametrize(
    ("method", "url"),
    [("POST", "nobody/download"), ("POST", "nobody/cancel"), ("DELETE", "nobody"),
     ("DELETE", "..%2F..")],
)  # fmt: skip
def test_what_there_is_not(server: Serving, method: str, url: str) -> None:
    answer = server.client.request(method, f"/v1/checkpoints/{url}")
    assert answer.status_code == 404


def test_a_model_that_others_were_trained_on_stays(server: Serving) -> None:
    trained(server, "first")
    server.services.store.remove_version("ab" * 32)
    trained(server, "second", base="first")
    version = server.client.get("/v1/models/me/first").json()["latest_version"]["id"]
    for url in ("/v1/checkpoints/first", f"/v1/models/me/first/versions/{version}"):
        refused = server.client.delete(url)
        assert refused.status_code == 409
        assert "'second'" in refused.json()["detail"]
        assert trained_model("first") is not None
    assert server.client.delete("/v1/checkpoints/second").status_code == 204
    assert server.client.delete(f"/v1/models/me/first/versions/{version}").status_code == 204
    assert trained_model("first") is None
