"""Campaigns against the program: `python -m tests.campaigns --kills 200 --audio 1000 ...`.

Each result is written into docs/reliability.json as soon as it is there, and the table in
docs/reliability.md from that.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.campaigns.kills import run_kills
from tests.campaigns.long_queue import run_queue
from tests.campaigns.mutations import run_mutations
from tests.campaigns.results import add_result, write_document


def main() -> None:
    """Run the campaigns that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns")
    zero = "0 leaves it out"
    parser.add_argument("--kills", type=int, default=200, help=zero)
    parser.add_argument("--audio", type=int, default=1000, help=zero)
    parser.add_argument("--archives", type=int, default=200, help=zero)
    parser.add_argument("--models", type=int, default=400, help=zero)
    parser.add_argument("--queue", type=int, default=10_000, help=zero)
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    seed = options.pop("seed")
    for name, count in options.items():
        if count:
            _run(name, count, seed)


def _run(name: str, count: int, seed: int) -> None:
    campaigns: dict[str, Callable[[Path], Any]] = {
        "kills": lambda folder: run_kills(folder, count, seed),
        "queue": lambda folder: run_queue(folder, count),
    }
    campaign = campaigns.get(name, lambda folder: run_mutations(name, folder, count, seed))
    with tempfile.TemporaryDirectory(prefix="songloom-campaign-") as folder:
        result = asdict(campaign(Path(folder)))
    print(name, result, flush=True)
    write_document(add_result(name, result))


if __name__ == "__main__":
    main()
