"""Many clients at once, on loopback and with an end: everyone is answered, and each as if alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.server_process import serving

pytestmark = pytest.mark.slow
CLIENTS, EACH = 24, 2


def test_many_clients_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--max-batch", "8", "--queue-limit", "40") as server:

        def ask(number: int) -> list[tuple[int, Any]]:
            wanted = {"prompt": "piano", "duration": 0.5, "seed": number % 2}
            answers = [
                server.client.post("/predictions", json={"input": wanted}) for _ in range(EACH)
            ]
            return [(answer.status_code, answer.json().get("output")) for answer in answers]

        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = [told for each in clients.map(ask, range(CLIENTS)) for told in each]
        assert {status for status, _ in answers} == {200}
        assert len({output for _, output in answers}) == 2  # one for each seed
        assert server.client.get("/readyz").status_code == 200
