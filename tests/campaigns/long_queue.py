"""A server with thousands of jobs in its queue."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.server.server_process import ServerProcess

AT_ONCE = 200
"""Jobs between two looks at how long an answer takes."""


@dataclass
class QueueResults:
    """How a server did with a long queue."""

    jobs: int
    accepted: int = 0
    first_milliseconds: float = 0.0
    """Of accepting a job, the mean of the first hundreds."""
    last_milliseconds: float = 0.0
    list_milliseconds: float = 0.0
    """Of `GET /v1/predictions` with all of them there."""
    health_milliseconds: float = 0.0
    megabytes: float = 0.0
    """Of the server's process, at its most."""
    restart_seconds: float = 0.0
    """From the start after a kill until it answers."""
    left: int = 0
    """Jobs that are known after the restart."""


def run_queue(folder: Path, jobs: int) -> QueueResults:
    """Fill a server's queue while its worker stands still, kill it, and start it again.

    Args:
        folder: of the server; empty.
        jobs: how many.
    """
    results = QueueResults(jobs)
    server = _start(folder, jobs)
    try:
        server.until_ready()
        for child in server.children():
            os.kill(child, signal.SIGSTOP)  # nothing is done meanwhile
        times = []
        for start in range(0, jobs, AT_ONCE):
            began = time.monotonic()
            for number in range(start, min(start + AT_ONCE, jobs)):
                answer = server.client.put(
                    f"/predictions/job-{number}",
                    json={"input": {"prompt": "piano", "duration": 1}},
                    headers={"Prefer": "respond-async"},
                )
                results.accepted += answer.status_code == 202
            times.append((time.monotonic() - began) / AT_ONCE * 1000)
        results.first_milliseconds, results.last_milliseconds = times[0], times[-1]
        results.list_milliseconds = _timed(server, "/v1/predictions")
        results.health_milliseconds = _timed(server, "/health-check")
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        results.megabytes = int(status.partition("VmHWM:")[2].split()[0]) / 1000
        for child in server.children():
            os.kill(child, signal.SIGCONT)
        server.kill()
        _close(server)
        began = time.monotonic()
        server = _start(folder, jobs)
        server.until(lambda: server.client.get("/livez").status_code == 200)
        results.restart_seconds = time.monotonic() - began
        results.left = sum(
            server.client.get(f"/v1/predictions/job-{number}").status_code == 200
            for number in range(0, jobs, max(1, jobs // 1000))
        ) * max(1, jobs // 1000)
    finally:
        if server.process.poll() is None:
            server.kill()
        _close(server)
    return results


def _start(folder: Path, jobs: int) -> ServerProcess:
    return ServerProcess(folder, "--queue-limit", str(2 * jobs), "--hang-seconds", "86400")


def _close(server: ServerProcess) -> None:
    server.client.close()
    assert server.process.stdout is not None
    server.process.stdout.close()


def _timed(server: ServerProcess, url: str) -> float:
    began = time.monotonic()
    assert server.client.get(url).status_code == 200
    return (time.monotonic() - began) * 1000
