"""A server on this machine that keeps what is sent to it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import wait_until

ENDED = {"succeeded", "failed", "canceled"}


class Receiver:
    """Takes what is posted, which must be JSON, and what is put; answers 200 to all of it."""

    def __init__(self) -> None:
        posted: dict[str, list[dict[str, Any]]] = {}
        put: dict[str, bytes] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                posted.setdefault(self.path, []).append(json.loads(self._body()))
                self._answer()

            def do_PUT(self) -> None:
                put[self.path] = self._body()
                self._answer()

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers["content-length"]))

            def _answer(self) -> None:
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.posted, self.put = posted, put
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def until_ended(self, path: str) -> list[dict[str, Any]]:
        """All webhooks that a path got, once the last one tells of an end."""
        wait_until(lambda: any(each["status"] in ENDED for each in self.posted.get(path, [])[-1:]))
        return self.posted[path]
