"""The server on nano: start, overhead, batching, memory.

A server of its own runs on loopback, in a folder that is removed afterwards. Sixteen predictions
of eight seconds are asked for one after the other, then all at once; the whole time of a short
prediction is set against what the worker says it took; memory is looked at over a thousand.

    python -m benchmarks.serve [--quick] [--json]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.report import Options, finish, median, options, say

AT_ONCE = 16


class Server:
    """A running `songloom serve`."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "songloom", "serve", "--port", "0", *options]
        environment = {**os.environ, "SONGLOOM_HOME": str(folder)}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]
        self.client = httpx.Client(base_url=self.url, timeout=600)
        while self.client.get("/readyz").status_code != 200:
            time.sleep(0.02)
        self.seconds_to_ready = time.perf_counter() - self.began

    def predict(self, seed: int, duration: float = 8.0) -> dict[str, Any]:
        """One prediction, from the request to its answer."""
        body = {"input": {"prompt": "warm felt piano", "duration": duration, "seed": seed}}
        answer = self.client.post("/predictions", json=body).json()
        if answer["status"] != "succeeded":
            raise RuntimeError(f"a prediction failed: {answer['error']}")
        return dict(answer)

    def memory(self) -> dict[str, float]:
        """Resident megabytes of the server and of its worker."""
        text = self.client.get("/metrics").text
        [worker] = re.findall(r"^songloom_worker_memory_bytes\{.*\} (\S+)$", text, re.MULTILINE)
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [own] = re.findall(r"VmRSS:\s+(\d+) kB", status)
        return {"server": int(own) / 1e3, "worker": float(worker) / 1e6}

    def stop(self) -> None:
        """Stop it as a service manager would."""
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def server(*options: str) -> Iterator[Server]:
    """A server for the length of a block."""
    with tempfile.TemporaryDirectory() as folder:
        running = Server(Path(folder), *options)
        try:
            yield running
        finally:
            running.stop()


def start(rounds: int) -> tuple[float, float]:
    """Median seconds from the shell to /readyz, and of an `import torch`, in turns."""
    ready, imports = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        imports.append(time.perf_counter() - began)
        with server() as running:
            ready.append(running.seconds_to_ready)
    return median(ready), median(imports)


def overhead(running: Server, rounds: int) -> float:
    """Median seconds of a short prediction that are spent outside of the worker."""
    running.predict(0, 0.5)
    seconds = []
    for seed in range(rounds):
        began = time.perf_counter()
        answer = running.predict(seed, 0.5)
        seconds.append(time.perf_counter() - began - answer["metrics"]["predict_time"])
    return median(seconds)


def one_at_a_time(running: Server) -> float:
    """Seconds for predictions of 8 s, each after the one before."""
    began = time.perf_counter()
    for seed in range(AT_ONCE):
        running.predict(seed)
    return time.perf_counter() - began


def together(running: Server) -> float:
    """Seconds for the same, all asked for at once."""
    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(running.predict, range(AT_ONCE)))
    return time.perf_counter() - began


def memory_after(running: Server, first: int, last: int) -> dict[str, float]:
    """Memory after predictions of a second each, sixteen at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda seed: running.predict(seed, 1.0), range(first, last)))
    time.sleep(5)  # workers tell their memory every few seconds
    return running.memory()


def measure(run: Options) -> dict[str, float | int | str]:
    """All of it."""
    rounds, predictions = (2, 100) if run.quick else (5, 1000)
    ready, imports = start(rounds)
    ratios = []
    with server("--queue-limit", "2000") as running:
        spent = overhead(running, 5 * rounds)
        for number in range(rounds):  # in turns, so that a busy moment meets both
            say(f"round {number + 1} of {rounds}", run)
            ratios.append(one_at_a_time(running) / together(running))
        say(f"{predictions} predictions", run)
        tenth = memory_after(running, 0, predictions // 10)
        whole = memory_after(running, predictions // 10, predictions)
    return {
        "rounds": rounds,
        "ratio_ready_to_import_torch": ready / imports,
        "ready_in_5_s": "yes" if ready < 5 else "no",
        "overhead_ms": 1000 * spent,
        "ratio_together_to_one_at_a_time": median(ratios),
        "lowest_ratio": min(ratios),
        "predictions": predictions,
        "ratio_server_memory_end_to_tenth": whole["server"] / tenth["server"],
        "ratio_worker_memory_end_to_tenth": whole["worker"] / tenth["worker"],
    }


if __name__ == "__main__":
    chosen = options(__doc__)
    finish(measure(chosen), chosen)
