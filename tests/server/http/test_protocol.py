"""Connections whose headers do not come, on loopback."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from songloom.server.http import protocol
from songloom.server.http.protocol import TimedProtocol

SLOW = 0.5
"""Seconds that headers may take here."""
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(request: Request) -> PlainTextResponse:
    if request.method == "POST":  # an answer that takes longer than headers may
        await asyncio.sleep(2 * SLOW)
    return PlainTextResponse("ok")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", SLOW)
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    config = uvicorn.Config(app, http=TimedProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def rest_of(connection: socket.socket) -> bytes:
    connection.settimeout(10)
    return b"".join(iter(lambda: connection.recv(4096), b""))


def answer_on(connection: socket.socket) -> bytes:
    """The next answer on a connection that stays open."""
    connection.settimeout(10)
    answer = b""
    while not answer.endswith(b"ok"):
        answer += connection.recv(4096)
    return answer


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_headers_that_do_not_come_are_given_up(port: int, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(start)
        assert rest_of(connection).startswith(b"HTTP/1.1 408 ")


def test_headers_that_come_bit_by_bit_gain_no_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(SLOW / 10)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        ends = time.monotonic() + 20 * SLOW
        answered = b""
        while not answered:
            assert time.monotonic() < ends
            connection.sendall(b"X-More: 1\r\n")
            with suppress(TimeoutError):
                answered = connection.recv(4096)
        assert answered.startswith(b"HTTP/1.1 408 ")


def test_a_second_request_is_timed_as_the_first(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(2):
            connection.sendall(REQUEST)
            assert answer_on(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(REQUEST[:10])
        assert rest_of(connection).startswith(b"HTTP/1.1 408 ")


def test_an_answer_may_take_longer_than_headers(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(REQUEST.replace(b"GET", b"POST"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
