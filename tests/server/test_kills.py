"""Whatever is killed, and whenever: no accepted job is lost, and no webhook."""

import base64
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataset.songs import write_song
from tests.server.server_process import Hook, serving
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow
LONG = {"prompt": "piano", "duration": 12, "seed": 7, "output_format": "flac"}
LOCAL = ("--private-hosts", "127.0.0.1")


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


def output_of(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def test_predictions_outlive_their_server_and_their_worker(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        undisturbed = server.client.post("/predictions", json={"input": LONG}).json()
        assert undisturbed["status"] == "succeeded", undisturbed["error"]
        for id in ("a", "b"):
            path, asynchronous = f"/predictions/{id}", {"Prefer": "respond-async"}
            answer = server.client.put(path, json={"input": LONG}, headers=asynchronous)
            assert answer.status_code == 202
        server.until_status("a", "processing")
        server.kill()
    with serving(tmp_path) as server:
        server.until_status("a", "processing", "succeeded")
        os.kill(server.children()[0], signal.SIGKILL)
        for id in ("a", "b"):
            job = server.until_status(id, "succeeded", "failed", "canceled")
            assert job["status"] == "succeeded", job["error"]
            again = server.client.put(f"/predictions/{id}", json={"input": LONG})
            assert output_of(again.json()["output"]) == output_of(undisturbed["output"])


def test_a_training_goes_on_and_its_webhook_arrives(tmp_path: Path, hook: Hook) -> None:
    write_song(tmp_path / "song.wav", seconds=4.0)
    song = base64.b64encode((tmp_path / "song.wav").read_bytes()).decode()
    wanted = {
        "dataset_path": f"data:audio/wav;base64,{song}", "model": "nano", "epochs": 1,
        "updates_per_epoch": 15, "batch_size": 1, "window_seconds": 1.0, "save_minutes": 0,
        "previews": 0, "auto_labeling": False, "drop_vocals": False, "processes": 1,
    }  # fmt: skip
    hook.status = 500  # nothing arrives yet
    with serving(tmp_path, *LOCAL) as server:
        body = {
            "input": wanted, "webhook": hook.url, "webhook_events_filter": ["completed"],
        }  # fmt: skip
        answer = server.client.put(
            "/trainings/mine", json=body, headers={"Prefer": "respond-async"}
        )
        assert answer.status_code == 202, answer.text
        server.until(lambda: "updates/s" in server.job("mine", "training")["logs"])
        server.kill()
    with serving(tmp_path, *LOCAL) as server:
        job = server.until_status("mine", "succeeded", "failed", kind="training")
        assert job["status"] == "succeeded", job["error"]
        # Where its last updates were made before the worker was killed, too, none are left to log.
        assert "writing the weights" in job["logs"]
        server.until(lambda: hook.tries > 0)
        server.kill()
    assert hook.received.empty()
    hook.status = 200
    with serving(tmp_path, *LOCAL) as server:
        _, told = hook.received.get(timeout=PATIENCE)
        assert (told["id"], told["status"]) == ("mine", "succeeded")
        version = server.job("mine", "training")["output"]["version"].rpartition(":")[2]
        answer = server.client.post(
            "/v1/predictions",
            json={"version": version, "input": {"prompt": "a", "duration": 1}},
            headers={"Prefer": "wait"},
        )
        assert answer.json()["status"] == "succeeded", answer.json()


def test_a_server_stops_in_time_whatever_the_disk_does(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-seconds", "1") as server:
        server.client.put(
            "/predictions/late", json={"input": LONG | {"duration": 120}},
            headers={"Prefer": "respond-async"},
        )  # fmt: skip
        server.until_status("late", "processing")
        # From now on every write is refused, as on a full disk.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, 0))
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 60  # six seconds, on a machine with nothing else to do
    with serving(tmp_path) as server:
        assert server.job("late")["status"] in ("starting", "processing")


def test_a_killed_upload_leaves_nothing_and_an_ended_server_its_work(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
                b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.wav"\r\n\r\n'
                + bytes(300_000)
            )
            server.until(lambda: any((tmp_path / "server" / "files").rglob("*")))
            server.kill()
    with serving(tmp_path) as server:
        assert server.client.get("/v1/files").json()["results"] == []
        assert [path for path in (tmp_path / "server" / "files").rglob("*") if path.is_file()] == []
        server.client.put(
            "/predictions/late", json={"input": LONG}, headers={"Prefer": "respond-async"}
        )
        server.until_status("late", "processing")
        assert server.stop() == 0  # it was given time
    with serving(tmp_path) as server:
        job = server.until_status("late", "succeeded", "failed")
        assert job["status"] == "succeeded"
        assert "trying again" not in job["logs"]
