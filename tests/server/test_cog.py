"""The surface of a Cog container, beyond what the comparison with the real one shows."""

import base64
import io
import re
import socket
import threading
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from songloom.jobs.messages import Work
from tests.server.fakes import FakeExecutor
from tests.server.receiver import Receiver
from tests.server.serving import Serving, serving
from tests.waiting import PATIENCE, wait_until

ASYNC = {"Prefer": "respond-async"}
BELLS = {"input": {"prompt": "bells"}}


def decoded(url: str) -> bytes:
    head, _, content = url.partition(",")
    assert head == "data:audio/x-wav;base64"
    return base64.b64decode(content, validate=True)


def waited(answer: list[Any], thread: threading.Thread) -> Any:
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return answer[0]


def test_a_prediction_gives_its_audio(server: Serving) -> None:
    answer = server.client.post("/predictions", json=BELLS)
    assert answer.status_code == 200
    body = answer.json()
    with wave.open(io.BytesIO(decoded(body["output"]))) as audio:
        assert audio.getnframes() == 1600
    assert body["input"]["prompt"] == "bells"
    assert str(body["input"]["duration"]) == "8"  # not 8.0, which typed clients can't read
    assert body["metrics"]["predict_time"] >= 0
    assert re.fullmatch("[a-z0-9]{26}", body["id"])
    assert f"seed {server.job(body['id']).seed}" in body["logs"]


def test_one_id_asked_for_several_times_at_once_is_one_prediction(server: Serving) -> None:
    answers: list[Any] = []
    together = threading.Barrier(5)

    def put() -> None:
        together.wait()
        answers.append(server.client.put("/predictions/same", json=BELLS))

    threads = [threading.Thread(target=put) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [answer.status_code for answer in answers] == [200] * 5, [a.text for a in answers]
    assert len({answer.json()["output"] for answer in answers}) == 1
    assert [work.id for work in server.executor.submitted] == ["same"]
    assert not server.services.awaited  # nothing is kept of those who have their answer


def test_an_id_that_was_taken_meanwhile_is_shown_and_of_another_kind_refused(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the other request had come between the look and the acceptance."""
    server.client.put("/predictions/same", json=BELLS, headers=ASYNC)
    server.ended("same")
    known = server.services.store.job
    looks: list[str] = []

    def not_yet(id: str) -> Any:
        looks.append(id)
        return None if len(looks) == 1 else known(id)

    monkeypatch.setattr(server.services.store, "job", not_yet)
    again = server.client.put("/predictions/same", json=BELLS, headers=ASYNC)
    assert (again.status_code, again.json()["id"]) == (202, "same")
    looks.clear()
    assert server.client.post("/predictions", json=BELLS | {"id": "same"}).status_code == 409


def test_several_pieces_come_as_a_list(server: Serving) -> None:
    answer = server.client.post("/predictions", json={"input": {"prompt": "bells", "count": 3}})
    assert [decoded(url)[:4] for url in answer.json()["output"]] == [b"RIFF"] * 3


def test_a_training_gives_its_weights(server: Serving) -> None:
    songs = "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEA"
    answer = server.client.post(
        "/trainings", json={"id": "t1", "input": {"dataset_path": songs, "model": "nano"}}
    )
    assert answer.status_code == 200, answer.text
    head, _, content = answer.json()["output"]["weights"].partition(",")
    assert head == "data:application/x-tar;base64"
    assert base64.b64decode(content) == b"weights of t1"


def test_no_training_without_songs(server: Serving) -> None:
    answer = server.client.post("/trainings", json={"input": {"model": "nano"}})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "input", "dataset_path"]
    assert server.services.store.counts() == {}


def test_what_fails_is_an_answer(server: Serving) -> None:
    answer = server.client.post("/predictions", json={"input": {"prompt": "fail"}})
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "failed"
    assert body["output"] is None
    assert body["error"] == "prompt is 'fail', but must be music; ask for some"


def test_unknown_inputs_are_left_out_and_the_log_says_so(server: Serving) -> None:
    body = {"input": {"prompt": "bells", "colour": "red"}}
    answer = server.client.post("/predictions", json=body)
    assert "colour" in answer.json()["logs"]
    assert answer.json()["status"] == "succeeded"


def test_a_prediction_that_is_not_waited_for(server: Serving) -> None:
    body = {"id": "a1", "input": {"prompt": "slow"}}
    answer = server.client.post("/predictions", json=body, headers=ASYNC)
    assert answer.status_code == 202
    assert answer.json()["id"] == "a1"
    assert answer.json()["status"] in ("starting", "processing")
    assert answer.json()["output"] is None
    assert server.ended("a1").status == "succeeded"


def test_put_makes_a_job_once(server: Serving) -> None:
    first = server.client.put("/predictions/p1", json=BELLS)
    again = server.client.put("/predictions/p1", json={"input": {"prompt": "horns"}})
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert [work.id for work in server.executor.submitted] == ["p1"]


def test_put_shows_what_runs(server: Serving) -> None:
    body = {"input": {"prompt": "hang"}}
    first = server.client.put("/predictions/p2", json=body, headers=ASYNC)
    again = server.client.put("/predictions/p2", json=body)  # does not wait either
    assert first.status_code == again.status_code == 202
    assert again.json()["id"] == "p2"
    server.client.post("/predictions/p2/cancel")


def test_an_id_is_used_once(server: Serving) -> None:
    first = server.client.post("/predictions", json=BELLS | {"id": "x"})
    again = server.client.post("/predictions", json=BELLS | {"id": "x"})
    other = server.client.post(
        "/trainings", json={"id": "x", "input": {"dataset_path": "data:,a", "model": "nano"}}
    )
    assert (first.status_code, again.status_code, other.status_code) == (200, 409, 409)
    assert server.job("x").input["prompt"] == "bells"


@pytest.mark.parametrize("id", ["../../etc/passwd", "a/b", "ü ö", "x" * 200, ".", "a%2Fb"])
def test_an_id_is_no_path(server: Serving, id: str, tmp_path: Path) -> None:
    answer = server.client.post("/predictions", json=BELLS | {"id": id})
    assert answer.status_code == 200
    assert answer.json()["id"] == id
    jobs = server.services.dispatcher.folder(id).parent
    assert [path.name for path in jobs.glob("*/output.wav")] == ["output.wav"]
    assert not list(tmp_path.glob("*passwd*"))


def test_cancelling_ends_the_wait_of_who_asked(server: Serving) -> None:
    answers: list[Any] = []
    body = {"id": "c1", "input": {"prompt": "hang"}}
    thread = threading.Thread(
        target=lambda: answers.append(server.client.post("/predictions", json=body))
    )
    thread.start()
    wait_until(lambda: "c1" in server.executor.running)
    canceled = server.client.post("/predictions/c1/cancel")
    assert (canceled.status_code, canceled.json()) == (200, {})
    answer = waited(answers, thread)
    assert answer.status_code == 200
    assert answer.json()["status"] == "canceled"
    ended = server.client.post("/predictions/c1/cancel")
    assert (ended.status_code, ended.json()) == (404, {})


def test_a_training_is_not_cancelled_as_a_prediction(server: Serving) -> None:
    server.client.put("/predictions/k1", json={"input": {"prompt": "hang"}}, headers=ASYNC)
    assert server.client.post("/trainings/k1/cancel").status_code == 404
    assert server.client.post("/predictions/k1/cancel").status_code == 200
    assert server.ended("k1").status == "canceled"


def test_a_full_queue_is_busy(tmp_path: Path) -> None:
    with serving(tmp_path, FakeExecutor(room=0), queue_limit=2) as server:
        for _ in range(2):
            assert server.client.post("/predictions", json=BELLS, headers=ASYNC).status_code == 202
        assert server.client.get("/health-check").json()["status"] == "BUSY"
        answer = server.client.post("/predictions", json=BELLS)
        assert answer.status_code == 409
        assert answer.json() == {"detail": "Already running a prediction"}


class Loading(FakeExecutor):
    """One whose worker is still loading its model."""

    async def start(self) -> None:
        pass


def test_before_a_worker_is_ready(tmp_path: Path) -> None:
    with serving(tmp_path, Loading(), ready=False) as server:
        health = server.client.get("/health-check")
        assert (health.status_code, health.json()["status"]) == (200, "STARTING")
        assert server.client.post("/predictions", json=BELLS).status_code == 503
        assert server.client.get("/readyz").status_code == 503
        assert server.client.get("/livez").status_code == 200


def test_health_once_it_is_ready(server: Serving) -> None:
    health = server.client.get("/health-check").json()
    assert health["status"] == "READY"
    setup = health["setup"]
    assert setup["status"] == "succeeded"
    assert setup["started_at"] <= setup["completed_at"]
    assert server.client.get("/readyz").status_code == 200


def test_discovery_names_urls_that_there_are(server: Serving) -> None:
    body = server.client.get("/").json()
    for kind in ("prediction", "training"):
        for name in (f"{kind}s_url", f"{kind}s_idempotent_url", f"{kind}s_cancel_url"):
            assert body[name].startswith("http://localhost/" + kind)
    for name in ("docs_url", "openapi_url", "healthcheck_url"):
        assert server.client.get(body[name]).status_code == 200


def test_shutdown_stops_the_server(server: Serving) -> None:
    answer = server.client.post("/shutdown")
    assert (answer.status_code, answer.json()) == (200, {})
    assert len(server.stops) == 1


def test_uploads_to_where_the_settings_say(tmp_path: Path) -> None:
    with Receiver() as receiver:
        url = f"{receiver.url}/bucket"
        with serving(tmp_path, upload_url=url, private_hosts="127.0.0.1") as ours:
            answer = ours.client.post("/predictions", json={"input": {"prompt": "x", "count": 2}})
            urls = [f"{receiver.url}/bucket/output-{number}.wav" for number in (1, 2)]
            assert answer.json()["output"] == urls
            assert [body[:4] for body in receiver.put.values()] == [b"RIFF"] * 2


def test_an_upload_that_nobody_takes_fails_the_job(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with serving(tmp_path, private_hosts="127.0.0.1") as server:
        body = BELLS | {"output_file_prefix": f"http://127.0.0.1:{port}/a/"}
        answer = server.client.post("/predictions", json=body)
    assert answer.status_code == 200
    assert answer.json()["status"] == "failed"
    assert f"127.0.0.1:{port}" in answer.json()["error"]


@pytest.mark.parametrize("prefix", ["http://10.0.0.1/", "file:///tmp/", "nowhere", ""])
def test_uploads_lead_neither_inside_nor_nowhere(server: Serving, prefix: str) -> None:
    answer = server.client.post("/predictions", json=BELLS | {"output_file_prefix": prefix})
    if prefix:
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "output_file_prefix"]
    else:
        assert answer.json()["output"].startswith("data:")


def test_what_comes_while_a_lost_worker_is_replaced_waits(server: Serving) -> None:
    server.services.dispatcher._ready_devices.clear()
    assert server.client.get("/readyz").status_code == 503
    assert server.client.post("/predictions", json=BELLS).json()["status"] == "succeeded"


def test_a_worker_that_dies_once_costs_a_prediction_nothing(server: Serving) -> None:
    answer = server.client.post("/predictions", json={"input": {"prompt": "unlucky"}})
    assert answer.json()["status"] == "succeeded"
    assert "trying again" in answer.json()["logs"]
    first, second = server.executor.submitted
    assert first.request == second.request  # the same seed above all


def test_a_client_that_goes_away_cancels_nothing(server: Serving) -> None:
    # Its connection is gone, so it tells the server nothing any more.
    async def leave() -> None:
        sent = [{"type": "http.request", "body": b'{"id": "g1", "input": {"prompt": "slow"}}'}]

        async def receive() -> dict[str, Any]:
            if sent:
                return sent.pop()
            await anyio.sleep(0.3)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise OSError("the connection is gone")

        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": "/predictions",
            "raw_path": b"/predictions", "root_path": "", "scheme": "http", "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"host", b"localhost")],
            "server": ("localhost", 80), "client": ("127.0.0.1", 1), "state": {},
        }  # fmt: skip
        with anyio.move_on_after(PATIENCE):
            with suppress(OSError):
                await server.client.app(scope, receive, send)

    portal = server.client.portal
    assert portal is not None
    portal.call(leave)
    assert server.ended("g1").status == "succeeded"


def test_work_is_what_was_asked_for(server: Serving) -> None:
    server.client.post(
        "/predictions",
        json={"id": "w1", "input": {"prompt": "bells", "duration": 2.5, "seed": 0, "count": 2}},
    )
    work: Work = server.executor.submitted[0]
    assert work.request["duration"] == 2.5
    assert work.request["seed"] == 0
    assert work.count == 2
    assert work.model == "nano"
