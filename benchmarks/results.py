"""Files of results, which the documents take their figures from.

    {"command": ..., "date": ..., "commit": ..., "machine": ..., "source": ..., "values": {...}}

`source` names where figures stood before they had a file; it is empty for those that a command
wrote. `python docs/refresh.py` puts the values into the documents, and a test compares them.
"""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Results:
    """What one command measured, and under which circumstances."""

    command: str
    date: str
    """Of the day, as 2026-11-28."""
    commit: str
    machine: str
    values: Mapping[str, float | int | str]
    source: str = ""


def describe_run(command: str, machine: str, values: Mapping[str, float | int | str]) -> Results:
    """Results of a command that has just been run in this tree."""
    return Results(command, datetime.date.today().isoformat(), commit_of_tree(), machine, values)


def commit_of_tree() -> str:
    """The commit that is checked out, with a mark where files differ from it."""
    if shutil.which("git") is None:
        return "unknown"
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=7"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def write_results(path: Path, results: Results) -> None:
    """Write a file of results in place of an older one."""
    path.write_text(json.dumps(asdict(results), indent=2, ensure_ascii=False) + "\n")


def read_results(path: Path) -> Results:
    """Read a file of results."""
    return Results(**json.loads(path.read_text(encoding="utf-8")))


def refresh_documents() -> None:
    """Put the results into the documents."""
    subprocess.run([sys.executable, str(ROOT / "docs" / "refresh.py")], check=True)
