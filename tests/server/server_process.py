"""A real `songloom serve` in a process of its own, and a listener for its webhooks."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import PATIENCE

SERVE = ("songloom", "serve", "--port", "0")


class ServerProcess:
    """A running server.

    Args:
        home: its SONGLOOM_HOME.
        options: of the program.
        program: a module, and what it is always given.
        tokens: value of SONGLOOM_TOKENS.
    """

    def __init__(
        self, home: Path, *options: str, program: Sequence[str] = SERVE, tokens: str = ""
    ) -> None:
        command = [sys.executable, "-m", *program, *options]
        self.log = home / "server.log"
        home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "SONGLOOM_HOME": str(home), "SONGLOOM_TOKENS": tokens}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        assert said, self.log.read_text()
        self.url = said[-1]
        headers = {"Authorization": f"Bearer {tokens.rpartition(':')[2]}"} if tokens else {}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE)

    def until(self, met: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait for something to be so."""
        ends = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < ends, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def until_ready(self) -> None:
        self.until(lambda: self.client.get("/readyz").status_code == 200)

    def job(self, id: str, kind: str = "prediction") -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/{kind}s/{id}").json()
        return found

    def until_status(self, id: str, *statuses: str, kind: str = "prediction") -> dict[str, Any]:
        self.until(lambda: self.job(id, kind)["status"] in statuses)
        return self.job(id, kind)

    def children(self) -> list[int]:
        """Process ids of its workers."""
        pid = self.process.pid
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """End it by force, and see that no worker is left behind."""
        children = self.children()
        self.process.kill()
        self.process.wait()
        ends = time.monotonic() + PATIENCE
        while any(_lives(child) for child in children):
            assert time.monotonic() < ends, "workers outlived their server"
            time.sleep(0.02)

    def stop(self) -> int:
        """End it as a service manager would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pretending(home: Path) -> AbstractContextManager[ServerProcess]:
    """A server that is ready sooner, as it only pretends to make music."""
    return serving(home, program=("tests.server.fake_server", str(home)))


@contextmanager
def serving(
    home: Path, *options: str, program: Sequence[str] = SERVE, tokens: str = ""
) -> Iterator[ServerProcess]:
    """A server for the length of a block, ready."""
    server = ServerProcess(home, *options, program=program, tokens=tokens)
    try:
        server.until_ready()
        yield server
    finally:
        server.client.close()
        if server.process.poll() is None:
            server.kill()
        assert server.process.stdout is not None
        server.process.stdout.close()


class Hook:
    """Receives webhooks on loopback."""

    def __init__(self) -> None:
        self.received: queue.Queue[tuple[dict[str, str], dict[str, Any]]] = queue.Queue()
        self.bodies: list[bytes] = []
        self.status = 200
        self.tries = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.tries += 1
                if hook.status == 200:
                    hook.bodies.append(body)
                    hook.received.put((dict(self.headers), json.loads(body)))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
