"""What the server says of the machine."""

from pathlib import Path

from songloom import __version__
from songloom.checkpoints.home import models_folder
from songloom.jobs.messages import WorkerReady
from songloom.jobs.store.records import Token
from tests.server.fakes import FakeExecutor
from tests.server.serving import Serving, serving
from tests.waiting import wait_until


class Described(FakeExecutor):
    async def start(self) -> None:
        await super().start()
        self._tell(WorkerReady("cpu", "cpu:0", "CPU, 8 threads", 16 << 30))


def test_a_fresh_machine(server: Serving, tmp_path: Path) -> None:
    machine = server.client.get("/v1/machine").json()
    assert machine == {
        "version": __version__,
        "device": "cpu",
        "devices": [{"name": "cpu", "description": "", "memory_gb": None}],
        "model": "nano",
        "models": ["nano"],
        "folder": str(tmp_path / "server"),
        "tokens_required": False,
        "public_url": None,
    }


def test_a_worker_tells_what_its_device_is(tmp_path: Path) -> None:
    with serving(tmp_path, Described()) as server:
        wait_until(lambda: server.services.dispatcher.devices["cpu"].description)
        machine = server.client.get("/v1/machine").json()
    assert machine["device"] == "cpu:0"
    (device,) = machine["devices"]
    assert device == {"name": "cpu", "description": "CPU, 8 threads", "memory_gb": 16.0}


def test_a_worker_that_is_not_ready_is_known_by_name(tmp_path: Path) -> None:
    class Silent(FakeExecutor):
        async def start(self) -> None: ...

    with serving(tmp_path, Silent(), ready=False, devices="cuda:0,cuda:1") as server:
        devices = server.client.get("/v1/machine").json()["devices"]
    assert [device["name"] for device in devices] == ["cuda:0", "cuda:1"]


def test_tokens_are_needed_where_there_are_some(server: Serving) -> None:
    server.services.store.add_token(Token("laptop", "ab" * 32))
    server.services.tokens.forget_cached()
    assert server.client.get("/v1/machine").status_code == 401


def test_trained_models_are_called_as_jobs_call_them(server: Serving) -> None:
    folder = models_folder() / "waltzes"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "nano"}')
    (folder / "adapter_model.safetensors").write_bytes(b"")
    assert server.client.get("/v1/machine").json()["models"] == ["nano", "me/waltzes"]
