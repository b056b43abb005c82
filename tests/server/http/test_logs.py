"""The log has a line for each request, and nothing in it that opens something."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from songloom.server.http.logs import REQUESTS, RequestLog, configure_logging, remove_secrets

LOGGERS = ("", "uvicorn", "uvicorn.error", "uvicorn.access", "httpx2", "httpcore2",
           "python_multipart")  # fmt: skip


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(it.handlers[:], it.level, it.propagate, it.disabled) for it in loggers]
    yield
    for logger, (handlers, level, propagate, disabled) in zip(loggers, before, strict=True):
        logger.handlers, logger.level = handlers, level
        logger.propagate, logger.disabled = propagate, disabled


async def greet(request: Request) -> PlainTextResponse:
    request.scope["state"]["token"] = "laptop"
    return PlainTextResponse("hello")


async def fail(request: Request) -> PlainTextResponse:
    raise ZeroDivisionError


counted: list[tuple[str, int]] = []


def client() -> TestClient:
    counted.clear()
    app = Starlette(routes=[Route("/songs/{id}", greet), Route("/broken", fail)])
    log = RequestLog(app, record_answer=lambda route, status: counted.append((route, status)))
    return TestClient(log, raise_server_exceptions=False)


def lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    return captured.readouterr().err.splitlines()


def test_a_request_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    answer = client().get("/songs/7?signature=secret", headers={"authorization": "Bearer secret"})
    (line,) = lines(capsys)
    assert "secret" not in line
    entry = json.loads(line)
    assert entry["ms"] >= 0
    expected = {"method": "GET", "path": "/songs/7", "status": 200, "token": "laptop"}
    assert expected.items() <= entry.items()
    assert entry["request"] == answer.headers["x-request-id"]
    assert entry["level"] == "info"


def test_a_request_is_one_line_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text")
    answer = client().get("/songs/7%0Aforged?signature=secret")
    (line,) = lines(capsys)
    assert "GET /songs/7" in line
    assert " 200 " in line
    assert line.endswith(f"{answer.headers['x-request-id']} laptop")
    assert "secret" not in line


def test_the_clients_own_id_of_a_request_is_kept_where_it_is_plain() -> None:
    given_id = client().get("/songs/7", headers={"x-request-id": "abc-1.2"})
    assert given_id.headers["x-request-id"] == "abc-1.2"
    long = client().get("/songs/7", headers={"x-request-id": "a" * 65})
    assert len(long.headers["x-request-id"]) == 16
    forged = client().get("/songs/7", headers={"x-request-id": "a b"})
    assert forged.headers["x-request-id"] != "a b"


def test_answers_are_counted_by_route(capsys: pytest.CaptureFixture[str]) -> None:
    requests = client()
    for path in ("/songs/1", "/songs/2", "/nowhere", "/broken"):
        requests.get(path)
    assert [status for _, status in counted] == [200, 200, 404, 500]
    assert counted[2][0] == "none"  # the paths of strangers would make a series each
    assert counted[0][0] == counted[1][0] != "/songs/1"


def test_a_client_that_leaves_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async def wait(scope: object, receive: object, send: object) -> None:
        await asyncio.Event().wait()

    async def leave() -> None:
        scope = {"type": "http", "method": "GET", "path": "/slow", "headers": []}
        task = asyncio.create_task(
            RequestLog(wait, lambda route, status: counted.append((route, status)))(
                scope, None, None  # type: ignore[arg-type]
            )
        )  # fmt: skip
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    counted.clear()
    asyncio.run(leave())
    assert counted == [("none", 499)]


@pytest.mark.parametrize("form", ["text", "json"])
def test_other_lines_hold_no_secrets_either(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form)  # type: ignore[arg-type]
    try:
        raise OSError("can't reach https://me:s3cr3t@hooks.example/a?key=s3cr3t")
    except OSError:
        logging.getLogger("uvicorn.error").exception("sent https://x.example/?token=s3cr3t twice")
    logging.getLogger("uvicorn.access").info("GET /v1/outputs/a?signature=s3cr3t")
    logging.getLogger("httpx2").info("GET https://x.example/?token=s3cr3t")
    written = "\n".join(lines(capsys))
    assert "hooks.example/a" in written
    assert "sent https://x.example/?... twice" in written
    assert "s3cr3t" not in written
    assert "/v1/outputs" not in written


def test_a_trace_is_part_of_its_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("songloom").exception("it broke")
    (line,) = lines(capsys)
    assert "ValueError: wrong" in json.loads(line)["trace"]


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("GET https://a.example/b?c=d#e now", "GET https://a.example/b?... now"),
        ("to 'http://u:p@a.example/b'", "to 'http://...@a.example/b'"),
        ("/v1/outputs/a.wav?expires=1&signature=ab", "/v1/outputs/a.wav?expires=1&signature=..."),
        ("Authorization: Bearer sl_abc", "Authorization: ..."),
        ("(b'authorization', b'Token sl_abc')", "(b'authorization', b'...')"),
        ("Bearer sl_abc, and", "Bearer ..., and"),
        ("key whsec_ab+c/d== here", "key whsec_... here"),
        ("https://a.example/b?c", "https://a.example/b?..."),
        ("what? a mail to me@a.example", "what? a mail to me@a.example"),
    ],
)  # fmt: skip
def test_what_is_taken_out(text: str, rest: str) -> None:
    assert remove_secrets(text) == rest


@given(st.text(st.characters(categories=["L", "N"]), min_size=8))
def test_a_query_is_never_left(secret: str) -> None:
    assert secret not in remove_secrets(f"GET https://a.example/b?token={secret} failed")


def test_lines_go_to_stderr_of_a_fresh_process() -> None:
    """Standard output is for what commands print."""
    code = (
        "import logging; from songloom.server.http.logs import configure_logging;"
        f"configure_logging('text'); logging.getLogger({REQUESTS!r}).info('hello')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.endswith("info hello\n")
