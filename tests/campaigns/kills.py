"""Random kills of a server and its workers, with poison among what it is asked for."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.server.server_process import Hook, ServerProcess

POISON = Path(__file__).parent / "poison"
HANG_SECONDS = 8.0
END_SECONDS = 900.0
"""How long what is left may take once nothing is killed any more."""
ASKED = {"duration": 1, "output_format": "flac"}


@dataclass
class KillResults:
    """What became of a campaign of kills."""

    seed: int
    kills: int
    accepted: int = 0
    poison: int = 0
    lost: int = 0
    """Accepted, and unknown or not ended at the end."""
    innocents_failed: int = 0
    poison_succeeded: int = 0
    webhooks_missing: int = 0
    faults: list[str] = field(default_factory=list)


def run_kills(folder: Path, kills: int, seed: int) -> KillResults:
    """Kill a server, or one of its workers, again and again while it works; then count.

    Args:
        folder: of the server; empty.
        kills: how many.
        seed: of what is asked for, and of what is killed when.
    """
    chance, results, hook = random.Random(seed), KillResults(seed, kills), Hook()
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{POISON}{os.pathsep}{before}"
    prompts: dict[str, str] = {}
    server = _start(folder)
    try:
        for kill in range(kills):
            for number in range(chance.randint(1, 3)):
                prompt = _prompt(chance)
                id = f"job-{kill}-{number}"
                if _ask(server, id, prompt, hook.url):
                    prompts[id] = prompt
            time.sleep(chance.uniform(0.0, 3.0))
            if chance.random() < 0.5:
                _kill_worker(server, chance)
            else:
                (server.kill if chance.random() < 0.7 else server.stop)()
                _close(server)
                server = _start(folder)
        _count(server, prompts, hook, results)
    finally:
        if server.process.poll() is None:
            server.kill()
        _close(server)
        hook.close()
        os.environ["PYTHONPATH"] = before
    return results


def _prompt(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.2:
        return "poison: crash"
    return "poison: hang" if kind < 0.25 else f"piano {chance.random()}"


def _start(folder: Path) -> ServerProcess:
    options = ("--hang-seconds", str(HANG_SECONDS), "--drain-seconds", "2")
    server = ServerProcess(
        folder, *options, "--private-hosts", "127.0.0.1", "--queue-limit", "10000"
    )
    server.client.timeout = 120.0  # type: ignore[assignment]
    server.until_ready()
    return server


def _close(server: ServerProcess) -> None:
    server.client.close()
    assert server.process.stdout is not None
    server.process.stdout.close()


def _ask(server: ServerProcess, id: str, prompt: str, webhook: str) -> bool:
    body = {
        "input": {"prompt": prompt, **ASKED}, "webhook": webhook,
        "webhook_events_filter": ["completed"],
    }  # fmt: skip
    answer = server.client.put(f"/predictions/{id}", json=body, headers={"Prefer": "respond-async"})
    return answer.status_code == 202


def _kill_worker(server: ServerProcess, chance: random.Random) -> None:
    children = server.children()
    if children:
        with suppress(ProcessLookupError):
            os.kill(chance.choice(children), signal.SIGKILL)


def _count(
    server: ServerProcess, prompts: dict[str, str], hook: Hook, results: KillResults
) -> None:
    """Let what is left end, then see what became of each job."""
    ends = time.monotonic() + END_SECONDS
    jobs: dict[str, Any] = {}
    while time.monotonic() < ends and len(jobs) < len(prompts):
        for id in prompts.keys() - jobs.keys():
            answer = server.client.get(f"/v1/predictions/{id}")
            if answer.status_code == 200 and answer.json()["completed_at"]:
                jobs[id] = answer.json()
        time.sleep(0.5)
    told: set[str] = set()
    while time.monotonic() < ends and told < prompts.keys():
        while not hook.received.empty():
            told.add(hook.received.get()[1]["id"])
        time.sleep(0.2)
    results.accepted = len(prompts)
    results.lost = len(prompts.keys() - jobs.keys())
    results.webhooks_missing = len(prompts.keys() - told)
    for id, prompt in prompts.items():
        poisonous = prompt.startswith("poison")
        results.poison += poisonous
        status = jobs.get(id, {}).get("status")
        if poisonous and status == "succeeded":
            results.poison_succeeded += 1
        if not poisonous and status not in ("succeeded", None):
            results.innocents_failed += 1
            results.faults.append(f"{id} is {status}: {jobs[id]['error']}")
