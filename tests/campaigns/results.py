"""Results of campaigns in a file, and the table in docs/reliability.md that is written from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "reliability.json"
DOCUMENT = DOCS / "reliability.md"
_TABLE = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.DOTALL)


def add_result(name: str, result: dict[str, Any], path: Path = RESULTS) -> dict[str, Any]:
    """Put the result of a campaign into the file; all that are there."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    found[name] = result
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return found


def table_of(found: dict[str, Any]) -> str:
    """The table of all results, each as it was measured."""
    lines = ["| campaign | tried | what became of it |", "|---|---|---|"]
    if "kills" in found:
        kills = found["kills"]
        lines.append(
            f"| random kills (seed {kills['seed']}) | {kills['kills']} kills, {kills['accepted']} "
            f"jobs, {kills['poison']} of them poison | lost {kills['lost']}, innocents failed "
            f"{kills['innocents_failed']}, webhooks missing {kills['webhooks_missing']} |"
        )
    for kind, name in (
        ("audio", "damaged audio files"), ("archives", "damaged archives"),
        ("models", "damaged models"),
    ):  # fmt: skip
        if kind in found:
            done = found[kind]
            lines.append(
                f"| {name} (seed {done['seed']}) | {done['files']} files: {done['read']} read, "
                f"{done['refused']} refused | signals {done['signals']}, tracebacks "
                f"{done['tracebacks']}, over 30 s {done['hangs']}, longest "
                f"{done['longest_seconds']:.1f} s, memory {done['most_megabytes']:.0f} MB |"
            )
    if "queue" in found:
        queue = found["queue"]
        first, last, listing = (queue[f"{name}_milliseconds"] for name in ("first", "last", "list"))
        lines.append(
            f"| a long queue | {queue['jobs']} jobs, {queue['accepted']} accepted | accepting one "
            f"{first:.0f} ms at first, {last:.0f} ms at last; listing {listing:.0f} ms; memory "
            f"{queue['megabytes']:.0f} MB; back {queue['restart_seconds']:.1f} s after a kill, "
            f"with {queue['left']} jobs |"
        )
    return "\n".join(lines) + "\n"


def write_document(found: dict[str, Any], path: Path = DOCUMENT) -> None:
    """Bring the table in the document up to date."""
    text = path.read_text()
    path.write_text(_TABLE.sub(lambda match: match[1] + table_of(found) + match[2], text))
