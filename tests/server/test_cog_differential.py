"""The same requests to the real Cog 0.9.4 and to songloom: code for the one works with the other.

Cog serves a model of the original's signature (`cog_model`); songloom an executor that pretends.
What is compared is what a client can see: status codes, keys, types. songloom may add keys, and may
give a value where Cog gives null.
"""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.receiver import Receiver
from tests.server.serving import Serving, serving
from tests.tools import COG, has_cog
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow
MODEL = Path(__file__).parent / "cog_model"
ASYNC = {"Prefer": "respond-async"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)")


@pytest.fixture(scope="module")
def cog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the real Cog."""
    python = COG / "bin" / "python"
    if not has_cog():
        pytest.skip("Cog 0.9.4 is not installed; `make .venv-cog/.installed` says why")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("cog") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "cog.server.http", "--threads", "4"],
            cwd=MODEL,
            env=os.environ | {"PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=output,
            stderr=output,
        )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
    try:
        until = time.monotonic() + PATIENCE
        while not _ready(client):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, "Cog does not become ready:\n" + log.read_text()
            time.sleep(0.1)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def _ready(client: httpx.Client) -> bool:
    try:
        return bool(client.get("/health-check").json()["status"] == "READY")
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """songloom, which may send webhooks to this machine."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, private_hosts="127.0.0.1") as running:
        yield running


def settle(cog: httpx.Client) -> None:
    """Cog takes one at a time, and says so a moment longer than it works."""
    while cog.get("/health-check").json()["status"] == "BUSY":
        time.sleep(0.02)


def differences(ours: Any, cogs: Any, where: str = "") -> list[str]:
    """What a client that knows Cog's answer would miss in ours."""
    if cogs is None:
        return []
    if isinstance(cogs, dict) and isinstance(ours, dict):
        missing = [f"{where}/{key} is missing" for key in cogs if key not in ours]
        return missing + [
            line
            for key in cogs
            if key in ours
            for line in differences(ours[key], cogs[key], f"{where}/{key}")
        ]
    if isinstance(cogs, list) and isinstance(ours, list):
        if len(cogs) != len(ours):
            return [f"{where} has {len(ours)} items, not {len(cogs)}"]
        pairs = enumerate(zip(ours, cogs, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{where}/{i}")]
    if kind_of(ours) != kind_of(cogs):
        return [f"{where} is {ours!r}, not like {cogs!r}"]
    return []


def kind_of(value: Any) -> str:
    """What a client can rely on: a text's form, else the type."""
    if isinstance(value, str):
        if value.startswith("data:"):
            return value.partition(",")[0]
        return "time" if TIME.fullmatch(value) else "text"
    # JSON does not tell 8.0 from 8.
    return "number" if type(value) in (int, float) else type(value).__name__


def test_kinds_tell_apart_what_clients_do() -> None:
    theirs = {"a": 1, "b": [None, "x"], "c": "2024-01-01T00:00:00.5+00:00"}
    assert differences(theirs | {"d": 0}, theirs) == []
    assert differences({"a": "1", "b": [{}, "x"], "c": "now"}, theirs) == [
        "/a is '1', not like 1",
        "/c is 'now', not like '2024-01-01T00:00:00.5+00:00'",
    ]
    assert differences({"a": True, "b": []}, theirs) == [
        "/c is missing",
        "/a is True, not like 1",
        "/b has 0 items, not 2",
    ]


GOOD: dict[str, dict[str, Any]] = {
    "a prompt": {"input": {"prompt": "bells"}},
    "an id": {"id": "d1", "input": {"prompt": "bells"}},
    "all inputs": {
        "input": {
            "prompt": "bells", "duration": 4, "continuation": False, "continuation_start": 0,
            "multi_band_diffusion": False, "normalization_strategy": "peak", "top_k": 100,
            "top_p": 0.5, "temperature": 0.9, "classifier_free_guidance": 2,
            "output_format": "mp3", "seed": 7, "replicate_weights": None, "input_audio": None,
        }
    },
    "unknown inputs": {"input": {"prompt": "bells", "colour": "red"}},
    "a number for an id": {"id": 5, "input": {"prompt": "bells"}},
    "texts for numbers": {"input": {"prompt": "bells", "duration": "8", "top_p": "0.5"}},
    "a number for a text": {"input": {"prompt": 5}},
    "no filter": {"input": {"prompt": "bells"}, "webhook_events_filter": None},
    "an empty filter": {"input": {"prompt": "bells"}, "webhook_events_filter": []},
    "when it was made": {"input": {"prompt": "bells"}, "created_at": "2024-01-01T00:00:00Z"},
    "an id that is null": {"id": None, "input": {"prompt": "bells"}},
    "an id that is empty": {"id": "", "input": {"prompt": "bells"}},
    "a failing prompt": {"input": {"prompt": "fail"}},
}  # fmt: skip


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_predictions_that_are_waited_for(
    cog: httpx.Client, ours: Serving, body: dict[str, Any]
) -> None:
    settle(cog)
    theirs = cog.post("/predictions", json=body)
    answer = ours.client.post("/predictions", json=body)
    assert theirs.status_code == answer.status_code == 200
    assert answer.json()["status"] == theirs.json()["status"]
    assert differences(answer.json(), theirs.json()) == []
    if body.get("id"):
        assert theirs.json()["id"] == answer.json()["id"] == str(body["id"])


@pytest.mark.parametrize("prefer", ["wait=5", "respond-async, wait=5", "Respond-Async", ""])
def test_only_one_preference_is_known(cog: httpx.Client, ours: Serving, prefer: str) -> None:
    settle(cog)
    for client in (cog, ours.client):
        answer = client.post("/predictions", json=GOOD["a prompt"], headers={"Prefer": prefer})
        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


BAD: dict[str, dict[str, Any]] = {
    "wrong types": {
        "input": {"prompt": ["a"], "duration": "long", "continuation": "maybe", "seed": {}}
    },
    "beyond the bounds": {"input": {"prompt": "bells", "continuation_start": -1}},
    "no such choice": {"input": {"prompt": "bells", "output_format": "aiff"}},
    "no URL": {"input": {"prompt": "bells", "input_audio": "/etc/passwd"}},
    "inputs in a list": {"input": [1]},
    "a webhook that is no URL": {"input": {"prompt": "bells"}, "webhook": "nowhere"},
    "an unknown event": {"input": {"prompt": "bells"}, "webhook_events_filter": ["nope"]},
    "an id that is no text": {"id": {}, "input": {"prompt": "bells"}},
    "a date that is none": {"created_at": "soon", "input": {"prompt": "bells"}},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_inputs_that_make_no_sense(
    cog: httpx.Client, ours: Serving, body: dict[str, Any], method: str
) -> None:
    path = "/predictions" if method == "POST" else "/predictions/b1"
    theirs = cog.request(method, path, json=body)
    answer = ours.client.request(method, path, json=body)
    assert theirs.status_code == answer.status_code == 422
    assert places(answer.json()) == places(theirs.json())
    assert all(set(item) >= {"loc", "msg", "type"} for item in answer.json()["detail"])


def places(answer: dict[str, Any]) -> set[tuple[Any, ...]]:
    """Where the mistakes are."""
    return {tuple(item["loc"]) for item in answer["detail"]}


def test_trainings_whose_inputs_make_no_sense(cog: httpx.Client, ours: Serving) -> None:
    # Where they do make sense, this version of Cog answers 500: it forgets to await itself.
    body = {"input": {"epochs": "x", "dataset_path": "nope", "lr": "a", "optimizer": "sgd"}}
    for path, input in (
        ("/trainings", body),
        ("/trainings", {"input": {}}),
        ("/trainings/t1", body),
    ):
        method = "POST" if path == "/trainings" else "PUT"
        theirs = cog.request(method, path, json=input)
        answer = ours.client.request(method, path, json=input)
        assert theirs.status_code == answer.status_code == 422
        assert places(answer.json()) == places(theirs.json())


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("{bad", "application/json"),
        ("3", "application/json"),
        ('"x"', "application/json"),
        ('{"input": {"prompt": "bells"}}', "text/plain"),
        ("a=b", "application/x-www-form-urlencoded"),
    ],
)
def test_bodies_that_are_no_object(
    cog: httpx.Client, ours: Serving, content: str, kind: str
) -> None:
    headers = {"Content-Type": kind}
    for method, path in (("POST", "/predictions"), ("PUT", "/predictions/b2")):
        theirs = cog.request(method, path, content=content, headers=headers)
        answer = ours.client.request(method, path, content=content, headers=headers)
        assert theirs.status_code == answer.status_code == 422
        assert {loc[0] for loc in places(answer.json())} == {"body"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/predictions"),
        ("GET", "/predictions/d1"),
        ("DELETE", "/predictions/d1"),
        ("GET", "/nothing"),
        ("POST", "/"),
        ("POST", "/predictions/unknown/cancel"),
        ("PUT", "/predictions/b3"),
    ],
)
def test_requests_that_lead_nowhere(
    cog: httpx.Client, ours: Serving, method: str, path: str
) -> None:
    settle(cog)
    theirs = cog.request(method, path)
    answer = ours.client.request(method, path)
    assert answer.status_code == theirs.status_code
    if theirs.status_code != 422:
        assert answer.json() == theirs.json()


def test_an_id_in_the_body_must_be_that_of_the_path(cog: httpx.Client, ours: Serving) -> None:
    body = {"id": "b", "input": {"prompt": "bells"}}
    theirs = cog.put("/predictions/a", json=body)
    answer = ours.client.put("/predictions/a", json=body)
    assert theirs.status_code == answer.status_code == 422
    assert answer.json()["detail"] == theirs.json()["detail"]


def test_putting_the_same_again(cog: httpx.Client, ours: Serving) -> None:
    body = {"input": {"prompt": "slow"}}
    settle(cog)
    for _ in range(2):
        theirs = cog.put("/predictions/p1", json=body, headers=ASYNC)
        answer = ours.client.put("/predictions/p1", json=body, headers=ASYNC)
        assert theirs.status_code == answer.status_code == 202
        assert answer.json()["status"] in ("starting", "processing")
        # What has not begun yet has no time of it: Cog begins at once.
        begun = theirs.json() | {"started_at": None}
        assert differences(answer.json(), begun) == []
    assert ours.ended("p1").attempts == 1


def test_cancelling(cog: httpx.Client, ours: Serving) -> None:
    body = {"id": "c1", "input": {"prompt": "slow"}}
    settle(cog)
    seen = []
    for client in (cog, ours.client):
        created = client.post("/predictions", json=body, headers=ASYNC)
        canceled = client.post("/predictions/c1/cancel")
        seen.append((created.status_code, canceled.status_code, canceled.json()))
    assert seen == [(202, 200, {})] * 2
    settle(cog)
    ours.ended("c1")
    again = [client.post("/predictions/c1/cancel") for client in (cog, ours.client)]
    assert [(answer.status_code, answer.json()) for answer in again] == [(404, {})] * 2


@pytest.mark.parametrize("path", ["/", "/health-check"])
def test_what_there_is_to_read(cog: httpx.Client, ours: Serving, path: str) -> None:
    settle(cog)
    theirs, answer = cog.get(path), ours.client.get(path)
    assert theirs.status_code == answer.status_code == 200
    assert differences(answer.json(), theirs.json()) == []


def test_the_documents(cog: httpx.Client, ours: Serving) -> None:
    for path, kind in (("/docs", "text/html"), ("/openapi.json", "application/json")):
        theirs, answer = cog.get(path), ours.client.get(path)
        assert theirs.status_code == answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert theirs.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("prompt", ["bells", "fail"])
@pytest.mark.parametrize("events", [None, ["completed"], ["start", "completed"]])
def test_webhooks(cog: httpx.Client, ours: Serving, prompt: str, events: list[str] | None) -> None:
    with Receiver() as receiver:
        told = {}
        for name, client in (("cog", cog), ("ours", ours.client)):
            body = {"input": {"prompt": prompt}, "webhook": f"{receiver.url}/{name}"}
            body |= {} if events is None else {"webhook_events_filter": events}
            settle(cog)
            client.post("/predictions", json=body)
            told[name] = receiver.until_ended(f"/{name}")
        first = {name: bodies[0] for name, bodies in told.items()}
        last = {name: bodies[-1] for name, bodies in told.items()}
        assert last["ours"]["status"] == last["cog"]["status"]
        # Where nothing is uploaded, Cog tells a path in its own container, of use to nobody.
        assert differences(last["ours"], last["cog"] | {"output": None}) == []
        assert (last["ours"]["output"] is None) == (prompt == "fail")
        if events != ["completed"]:
            assert first["ours"]["status"] == first["cog"]["status"] == "processing"
            assert differences(first["ours"], first["cog"]) == []
        if events is not None:
            assert len(told["ours"]) == len(told["cog"]) == len(events)


@pytest.mark.parametrize("behind", ["/folder/", "/prefix-"])
def test_uploads_to_where_a_request_says(cog: httpx.Client, ours: Serving, behind: str) -> None:
    with Receiver() as receiver:
        outputs = []
        for name, client in (("cog", cog), ("ours", ours.client)):
            body = {"input": {"prompt": "bells"}}
            body["output_file_prefix"] = f"{receiver.url}/{name}{behind}"  # type: ignore[assignment]
            settle(cog)
            outputs.append(client.post("/predictions", json=body).json()["output"])
        assert outputs == [f"{receiver.url}/{name}{behind}output.wav" for name in ("cog", "ours")]
        # Cog wraps the file into a form here, of which no storage knows.
        assert b"RIFF" in receiver.put[f"/cog{behind}output.wav"]
        assert receiver.put[f"/ours{behind}output.wav"].startswith(b"RIFF")
