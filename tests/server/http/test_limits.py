"""Bodies that are too large are refused: by what they announce, and by what really comes."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from songloom.server.http import limits
from songloom.server.http.limits import BodyLimits

LIMIT, FILE_LIMIT = 1000, 5000
taken: list[int] = []


async def take(request: Request) -> PlainTextResponse:
    taken.append(0)
    async for piece in request.stream():
        taken[-1] += len(piece)
    return PlainTextResponse(str(taken[-1]))


async def take_badly(request: Request) -> PlainTextResponse:
    """Like frameworks do: whatever goes wrong with a body is a fault of it."""
    try:
        await request.body()
    except Exception:
        return PlainTextResponse("can't be parsed", 400)
    return PlainTextResponse("ok")


@pytest.fixture
def client() -> Iterator[TestClient]:
    taken.clear()
    app = Starlette(
        routes=[
            Route("/predictions", take, methods=["POST"]),
            Route("/v1/predictions", take, methods=["POST"]),
            Route("/v1/files", take, methods=["POST"]),
            Route("/parsed", take_badly, methods=["POST"]),
        ]
    )
    with TestClient(BodyLimits(app, max_body=LIMIT, max_file=FILE_LIMIT)) as client:
        yield client


def pieces(total: int) -> Iterator[bytes]:
    """A body of unknown length, as it is sent in chunks."""
    while total > 0:
        yield b"x" * min(total, 100)
        total -= 100


def test_a_body_at_the_limit_is_taken(client: TestClient) -> None:
    assert client.post("/predictions", content=b"x" * LIMIT).text == str(LIMIT)
    assert client.post("/predictions", content=pieces(LIMIT)).text == str(LIMIT)


def test_a_body_that_announces_too_much_is_not_read(client: TestClient) -> None:
    answer = client.post("/predictions", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert "0.001 MB" in answer.json()["detail"]
    assert answer.headers["connection"] == "close"
    assert taken == []


@pytest.mark.parametrize("path", ["/predictions", "/parsed"])
def test_a_body_that_announces_nothing_is_counted(client: TestClient, path: str) -> None:
    answer = client.post(path, content=pieces(LIMIT * 100))
    assert answer.status_code == 413
    assert sum(taken) <= LIMIT  # nothing beyond came to the route


def test_what_is_announced_is_not_believed_where_it_is_too_little(client: TestClient) -> None:
    headers = {"content-length": "10"}
    assert client.post("/predictions", content=b"x" * 2000, headers=headers).status_code == 413


def test_files_may_be_larger(client: TestClient) -> None:
    assert client.post("/v1/files", content=b"x" * FILE_LIMIT).text == str(FILE_LIMIT)
    answer = client.post("/v1/files", content=b"x" * (FILE_LIMIT + 1))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.text)
    assert problem["status"] == 413
    assert "max_file_mb" in problem["detail"]


def test_other_paths_below_are_no_files(client: TestClient) -> None:
    answer = client.post("/v1/predictions", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413


async def slowly(pieces: list[bytes], pause: float) -> tuple[int, list[Any]]:
    """What is answered to a body whose pieces come with pauses; and what the route took of it."""
    sent: list[Any] = []
    left = list(pieces)

    async def receive() -> Any:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": left.pop(0), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    app = BodyLimits(Starlette(routes=[Route("/v1/files", take, methods=["POST"])]),
                     max_body=LIMIT, max_file=10**9)  # fmt: skip
    scope = {"type": "http", "method": "POST", "path": "/v1/files", "headers": [],
             "query_string": b""}  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], sent


@pytest.mark.parametrize(
    ("pieces", "pause", "most"),
    [
        ([b"x"], 60.0, 1),  # it stops
        ([b"x"] * 10_000, 0.01, 100),  # a byte now and then
    ],
)
def test_a_body_that_does_not_come_is_given_up(
    monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], pause: float, most: int
) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.2)
    taken.clear()
    status, sent = asyncio.run(slowly(pieces, pause))
    assert status == 408
    assert b"too slowly" in sent[1]["body"]
    assert (b"connection", b"close") in sent[0]["headers"]
    assert taken[0] <= most


def test_a_long_body_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as enough comes, and whatever the server itself takes between the pieces."""
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.5)
    taken.clear()
    with pytest.raises(IndexError):  # the body never ends; all of it was taken
        asyncio.run(slowly([bytes(1000)] * 40, 0.02))
    assert taken == [40_000]
