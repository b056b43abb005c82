"""A training's history in its job's folder: losses, clips and the comparison.

Notes are lines of JSON that are only ever added, so that a kill costs the line in hand. An update
that is made again, after a kill, is noted again; the last line about it counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

CURVE, PREVIEWS, COMPARISON = "curve.jsonl", "previews.jsonl", "comparison.json"
REPORT = "report.html"
CLIPS = "clips"
"""Folder of the clips in that of the run, from which they are copied into the job's."""
MOST_POINTS = 500
"""Of a curve: more would not be seen."""
FIRST_POINTS = 5
"""Updates at the beginning that are given one by one: what came later is compared with them."""


@dataclass(frozen=True)
class Preview:
    """A clip that was generated while the model learned."""

    step: int
    """Updates that were made by then."""
    prompt: str
    file: str
    """Its name in the job's folder."""


class TrainingHistory:
    """The history of one training.

    Args:
        folder: the job's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add_update(self, step: int, loss: float, learning_rate: float) -> None:
        """Add an update."""
        self._add(CURVE, {"step": step, "loss": loss, "learning_rate": learning_rate})

    def add_validation(self, step: int, loss: float) -> None:
        """Add a measurement on held-out songs."""
        self._add(CURVE, {"step": step, "held_out": loss})

    def add_preview(self, preview: Preview) -> None:
        """Add a clip, which is in the folder already."""
        self._add(PREVIEWS, vars(preview))

    def curve(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Losses of updates, and on held-out songs, in the order of their steps.

        Of more updates than `MOST_POINTS`, each point after the first few is the mean of those up
        to its step; of more measurements, the first is given, and the last ones.
        """
        updates, measured = {}, {}
        for row in self._rows(CURVE):
            if "held_out" in row:
                measured[row["step"]] = {"step": row["step"], "loss": row["held_out"]}
            else:
                updates[row["step"]] = row
        points = [updates[step] for step in sorted(updates)]
        return _thin_points(points), _keep_first([measured[step] for step in sorted(measured)])

    def previews(self) -> list[Preview]:
        """The clips, in the order of their steps."""
        clips = {row["step"]: Preview(**row) for row in self._rows(PREVIEWS)}
        return [clips[step] for step in sorted(clips)]

    def comparison(self) -> dict[str, Any] | None:
        """The comparison at the end, with the names of clips; None before."""
        try:
            found: dict[str, Any] = json.loads((self._folder / COMPARISON).read_bytes())
        except FileNotFoundError:
            return None
        return found

    def files(self) -> frozenset[str]:
        """Names of all that can be heard or read of it."""
        names = [preview.file for preview in self.previews()]
        comparison = self.comparison()
        if comparison is not None:
            names.append(REPORT)
            for clip in comparison["clips"]:
                names += [clip["before"], clip["after"]]
            for song in comparison.get("songs", ()):  # earlier versions kept none
                names += [song["original"], song["heard"]]
        return frozenset(names)

    def _add(self, name: str, row: Mapping[str, Any]) -> None:
        # The line's end comes first: what a kill cut short before it is then a line of its own.
        with (self._folder / name).open("ab") as file:
            file.write(b"\n" + json.dumps(dict(row)).encode())

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        try:
            lines = (self._folder / name).read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # the empty first one, and what a kill cut short
                continue
            if isinstance(row, dict):
                yield row


def _thin_points(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(points) <= MOST_POINTS:
        return points
    first, rest = points[:FIRST_POINTS], points[FIRST_POINTS:]
    count = MOST_POINTS - FIRST_POINTS
    edges = [round(i * len(rest) / count) for i in range(count + 1)]
    groups = [rest[low:high] for low, high in pairwise(edges)]
    return first + [
        {**group[-1], "loss": sum(point["loss"] for point in group) / len(group)}
        for group in groups
    ]


def _keep_first(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The model as it was is what later measurements are compared with."""
    if len(measured) <= MOST_POINTS:
        return measured
    return [measured[0], *measured[1 - MOST_POINTS :]]
