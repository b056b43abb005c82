"""A model hub on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves the files of some repositories as the model hub does, and counts what is asked."""

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.asked: list[str] = []
        self.broken: set[str] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.reply(with_body=False)

            def do_GET(self) -> None:
                self.reply(with_body=True)

            def reply(self, with_body: bool) -> None:
                path = self.path.split("?")[0]
                hub.asked.append(path)
                repo = next((r for r in repositories if f"/{r}/" in path + "/"), None)
                if repo is None or any(name in path for name in hub.broken):
                    self.send_error(404)
                    return
                files = {f.name: f.read_bytes() for f in repositories[repo].iterdir()}
                if path.startswith("/api/"):
                    siblings = [{"rfilename": n, "size": len(d)} for n, d in files.items()]
                    body = json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode()
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                else:
                    name = path.rpartition("/")[2]
                    if name not in files:
                        self.send_error(404)
                        return
                    body = files[name]
                    self.send_response(200)
                    self.send_header("ETag", f'"{name}-etag"')
                    self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
