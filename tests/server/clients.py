"""The official clients, and the server that they are tried on."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from songloom.server.inputs.model_index import ORIGINAL_IDS
from songloom.settings import ORIGINAL
from tests.server.server_process import Hook
from tests.tools import JAVASCRIPT_CLIENT
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "tests" / "server" / "js" / "scenarios.js"
TOKEN = "a-token-of-tests"
ALIAS = f"{ORIGINAL}:{ORIGINAL_IDS[0]}"
"""What code names that ran on the hosted original."""


def _missing() -> str:
    if shutil.which("node") is None:
        return "no Node"
    return "" if JAVASCRIPT_CLIENT.is_dir() else "no client: make tests/server/js/node_modules"


needs_javascript = pytest.mark.skipif(bool(_missing()), reason=_missing())


@contextmanager
def pretending_server(folder: Path) -> Iterator[str]:
    """A server with one token, in a process of its own, that only pretends to compute; its URL."""
    environment = {
        **os.environ,
        "SONGLOOM_TOKENS": f"tests:{TOKEN}",
        "SONGLOOM_PRIVATE_HOSTS": "127.0.0.1",
    }
    log = folder / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.server.fake_server", str(folder)],
            stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, log.read_text()
            headers = {"Authorization": f"Bearer {TOKEN}"}
            ends = time.monotonic() + PATIENCE
            while httpx.get(f"{url}/readyz", headers=headers).status_code != 200:
                assert time.monotonic() < ends, log.read_text()
                time.sleep(0.02)
            yield url
        finally:
            process.terminate()
    assert "Traceback" not in log.read_text()


def sound_at(url: object) -> bytes:
    """What is at a URL, fetched without a token, as clients do."""
    response = httpx.get(str(url))
    assert response.status_code == 200
    return response.content


def told(hook: Hook, status: str) -> tuple[dict[str, str], str]:
    """Headers and body of the webhook that tells of a status."""
    while True:
        headers, payload = hook.received.get(timeout=PATIENCE)
        if payload["status"] == status:
            body = next(body for body in hook.bodies if json.loads(body) == payload)
            return headers, body.decode()


def javascript(url: str, scenario: str, *, token: str = TOKEN, **given: Any) -> Any:
    """What one of the scenarios gives."""
    environment = {**os.environ, "REPLICATE_BASE_URL": f"{url}/v1", "REPLICATE_API_TOKEN": token}
    done = subprocess.run(
        ["node", str(SCENARIOS), scenario, json.dumps(given)],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
