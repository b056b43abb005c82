"""What clients send by mistake or on purpose: an answer that says what is wrong, never a 500."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from songloom.errors import OutputError
from songloom.jobs.store.records import Job
from songloom.jobs.store.schema import jobs
from songloom.jobs.store.store import Store
from songloom.server.inputs.contract import wire_inputs
from tests.server.fakes import FakeExecutor
from tests.server.serving import Serving, serving

BELLS = {"input": {"prompt": "bells"}}
ASYNC = {"Prefer": "respond-async"}
JSON = {"Content-Type": "application/json"}
CREATE = ["/predictions", "/v1/predictions", "/v1/models/songloom/nano/predictions"]
"""Where predictions are made."""


def body_of(path: str, input: object, **more: object) -> dict[str, object]:
    """A request in the form that a path takes."""
    version = {"version": "songloom/nano"} if path == "/v1/predictions" else {}
    return {"input": input} | version | more


def faults(answer: Any) -> set[str]:
    """The fields that an answer complains of."""
    body = answer.json()
    if "detail" in body and isinstance(body["detail"], list):
        return {".".join(map(str, item["loc"][1:])) for item in body["detail"]}
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return {field["field"] for field in body["invalid_fields"]}


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that has nothing to do, since all that it is sent makes no sense."""
    with serving(tmp_path_factory.mktemp("refusing")) as running:
        yield running


@pytest.mark.parametrize("path", CREATE)
@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[1", b"nul", b'{"input": }', b"\xff\xfe", b"[]", b"3", b'"text"',
        b"[" * 100_000, b'{"input": ' + b'{"a":' * 50_000, b'{"input": {"duration": 1e999999}}',
        b'{"input": {"prompt": "a", "duration": NaN}}', b'{"input": {"prompt": "\\ud800"}}',
    ],
    ids=lambda content: content[:24].decode("latin-1"),
)  # fmt: skip
def test_malformed_bodies(refusing: Serving, path: str, content: bytes) -> None:
    answer = refusing.client.post(path, content=content, headers=JSON)
    if path == "/predictions" and content in (b"", b"[]"):
        return  # Cog takes a missing body for one without inputs; see below
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["detail"]
    assert refusing.services.store.counts() == {}


@pytest.mark.parametrize("path", CREATE)
@pytest.mark.parametrize("content", [b"", b"null", b"{}", b'{"input": null}', b'{"input": {}}'])
def test_no_input_at_all(refusing: Serving, path: str, content: bytes) -> None:
    answer = refusing.client.post(path, content=content, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert refusing.services.store.counts() == {}


@pytest.mark.parametrize("path", CREATE)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ["a"]), ("prompt", {}), ("duration", "long"), ("duration", [8]),
        ("duration", 0), ("duration", -1), ("duration", 1e9), ("continuation", "maybe"),
        ("continuation", []), ("continuation_start", -1), ("continuation_end", -2),
        ("normalization_strategy", "loud"), ("top_k", -1), ("top_k", 1 << 70), ("top_k", "many"),
        ("top_p", 1.5), ("temperature", -0.1), ("classifier_free_guidance", "much"),
        ("output_format", "aiff"), ("output_format", 3), ("seed", -2), ("seed", 1 << 63),
        ("seed", "x"), ("input_audio", 5), ("input_audio", "/etc/passwd"),
        ("input_audio", "file:///etc/passwd"), ("input_audio", "ftp://example.com/a.wav"),
        ("input_audio", "../secret.wav"), ("input_audio", "http://"), ("count", 0), ("count", 17),
        ("model", "/srv/model"), ("model", "nobody/nothing"), ("model", 5),
        ("melody_stems", "all"),
    ],
)  # fmt: skip
def test_values_that_make_no_sense(refusing: Serving, path: str, field: str, value: object) -> None:
    body = body_of(path, {"prompt": "bells", field: value})
    answer = refusing.client.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert faults(answer) == {f"input.{field}"}
    assert field in answer.text
    assert refusing.services.store.counts() == {}


def test_all_that_is_wrong_is_told_at_once(refusing: Serving) -> None:
    input = {"prompt": 1.5, "duration": "long", "top_p": 2, "output_format": "aiff"}
    answer = refusing.client.post("/predictions", json={"input": input})
    assert faults(answer) == {"input.duration", "input.top_p", "input.output_format"}


def test_inputs_that_do_not_go_together(refusing: Serving) -> None:
    answer = refusing.client.post(
        "/predictions", json={"input": {"prompt": "bells", "continuation": True}}
    )
    assert answer.status_code == 422
    assert "there is no input_audio to continue" in answer.text


@pytest.mark.parametrize("path", CREATE)
def test_null_everywhere(server: Serving, path: str) -> None:
    nothing = {wire.name: None for wire in wire_inputs("prediction")} | {"unknown": None}
    body = body_of(path, nothing | {"prompt": "bells"})
    body |= dict.fromkeys(("id", "webhook", "webhook_events_filter", "created_at", "stream"))
    answer = server.client.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    assert server.ended(answer.json()["id"]).status == "succeeded"
    request = server.executor.submitted[0].request
    assert (request["duration"], request["top_k"], request["output_format"]) == (8.0, 250, "wav")


def test_null_everywhere_in_a_training(refusing: Serving) -> None:
    nothing = {wire.name: None for wire in wire_inputs("training")}
    answer = refusing.client.post("/trainings", json={"input": nothing})
    assert answer.status_code == 422
    assert faults(answer) == {"input.dataset_path"}


@pytest.mark.parametrize("path", CREATE)
def test_unknown_fields_change_nothing(server: Serving, path: str) -> None:
    body = body_of(path, {"prompt": "bells", "colour": {"deep": [1]}}, surprise=[1], context={})
    answer = server.client.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    job = server.ended(answer.json()["id"])
    assert job.status == "succeeded"
    assert "colour" in job.logs


@pytest.mark.parametrize(
    "webhook",
    [
        "nowhere", "ftp://example.com/hook", "http://127.0.0.1/hook", "http://localhost:9/hook",
        "http://10.0.0.1/hook", "http://169.254.169.254/latest", "http://[::1]/hook", 5, ["http://a"],
        "http://user:secret@example.com/hook", "http://[::ffff:127.0.0.1]/", "javascript:alert(1)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", CREATE[:2])
def test_webhooks_that_lead_nowhere_or_inside(
    refusing: Serving, path: str, webhook: object
) -> None:
    answer = refusing.client.post(path, json=body_of(path, {"prompt": "bells"}, webhook=webhook))
    assert answer.status_code == 422, answer.text
    assert faults(answer) == {"webhook"}
    assert "secret" not in answer.text
    assert refusing.services.store.counts() == {}


@pytest.mark.parametrize("path", CREATE[:2])
def test_a_body_that_is_too_large(tmp_path: Path, path: str) -> None:
    with serving(tmp_path, max_body_mb=0.01) as server:
        body = body_of(path, {"prompt": "bells " * 5000})
        assert server.client.post(path, json=body).status_code == 413
        pieces = (piece for piece in [json.dumps(body).encode()])  # sent without its length
        assert server.client.post(path, content=pieces, headers=JSON).status_code == 413
        assert server.services.store.counts() == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/predictions"), ("PUT", "/predictions/a"), ("POST", "/predictions/a/cancel"),
        ("POST", "/trainings"), ("GET", "/v1/predictions"), ("POST", "/v1/files"), ("GET", "/"),
        ("GET", "/health-check"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/metrics"),
        ("GET", "/readyz"), ("POST", "/shutdown"), ("GET", "/v1/account"), ("GET", "/nothing"),
        ("GET", "/v1/webhooks/default/secret"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Token wrong", "Basic YTpi"])
def test_without_the_right_token(guarded: Serving, method: str, path: str, token: str) -> None:
    answer = guarded.client.request(method, path, headers={"Authorization": token})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"]
    assert "right" not in answer.text
    assert guarded.stops == []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that asks for a token."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # for this one server only
            patch.setenv("SONGLOOM_TOKENS", "someone:right")
            running = stack.enter_context(serving(tmp_path_factory.mktemp("guarded")))
        yield running


def test_with_the_right_token(guarded: Serving) -> None:
    for scheme in ("Bearer", "Token"):
        answer = guarded.client.get("/v1/account", headers={"Authorization": f"{scheme} right"})
        assert answer.status_code == 200
    assert guarded.client.get("/livez").status_code == 200


@pytest.mark.parametrize("kind", ["predictions", "trainings"])
def test_cancelling_what_is_unknown_or_over(server: Serving, kind: str) -> None:
    assert server.client.post(f"/v1/{kind}/none/cancel").status_code == 404
    assert server.client.post(f"/{kind}/none/cancel").status_code == 404
    server.client.put("/predictions/done", json=BELLS)
    over = server.client.post(f"/v1/{kind}/done/cancel")
    assert over.status_code == (200 if kind == "predictions" else 404)
    assert server.client.post(f"/{kind}/done/cancel").status_code == 404
    assert server.job("done").status == "succeeded"


def test_ten_thousand_wait(tmp_path: Path) -> None:
    waiting = 10_000
    with serving(tmp_path, FakeExecutor(room=0), queue_limit=waiting) as server:
        queue(tmp_path, server.services.store, waiting - 1)
        accepted = server.client.post("/predictions", json=BELLS | {"id": "last"}, headers=ASYNC)
        assert accepted.status_code == 202
        assert server.client.post("/predictions", json=BELLS, headers=ASYNC).status_code == 409
        refused = server.client.post(
            "/v1/predictions", json=body_of("/v1/predictions", {"prompt": "bells"})
        )
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        page = server.client.get("/v1/predictions").json()
        assert page["results"][0]["id"] == "last"
        assert len(page["results"]) == 100
        assert page["next"]
        canceled = server.client.post("/predictions/j5000/cancel")
        assert canceled.status_code == 200
        assert server.job("j5000").status == "canceled"
        assert server.services.store.counts() == {
            ("prediction", "starting"): waiting - 1,
            ("prediction", "canceled"): 1,
        }
        # The oldest are the first to run once there is room.
        server.executor.room = 1
        server.client.post("/predictions/j5001/cancel")
        server.ended("j0")
        assert [work.id for work in server.executor.submitted][:1] == ["j0"]


def queue(folder: Path, store: Store, count: int) -> None:
    """Let jobs wait, copied in one transaction: one for each of them would take minutes."""
    first = Job("j0", "prediction", "cog", {"prompt": "bells"}, "nano", seed=0)
    store.add_job(first, limit=count)
    copied = ", ".join(column.name for column in jobs.columns if column.name not in COUNTED)
    with closing(sqlite3.connect(folder / "songloom.db")) as database, database:
        database.execute(
            "WITH RECURSIVE n(i) AS "
            f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1}) "
            f"INSERT INTO jobs (id, {copied}) SELECT 'j' || i, {copied} FROM jobs, n"
        )


COUNTED = ("id", "sequence")


@pytest.mark.parametrize("path", CREATE)
def test_a_full_disk(server: Serving, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(job: Job, *, limit: int) -> Job:
        raise OutputError("the database can't be written (disk full); free some room")

    monkeypatch.setattr(server.services.store, "add_job", full)
    answer = server.client.post(path, json=body_of(path, {"prompt": "bells"}))
    assert answer.status_code == 507
    assert "free some room" in answer.text
    monkeypatch.undo()
    assert server.client.post(path, json=body_of(path, {"prompt": "bells"})).status_code in (
        200,
        201,
    )


def test_a_fault_of_ours_tells_nothing_of_it(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(id: str) -> Job:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(server.services.store, "job", broken)
    for path in ("/v1/predictions/a", "/predictions/a/cancel"):
        method = "GET" if path.startswith("/v1") else "POST"
        answer = server.client.request(method, path)
        assert answer.status_code == 500
        assert "secret detail" not in answer.text
