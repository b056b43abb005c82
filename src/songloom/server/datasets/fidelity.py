"""Asks a process how well models carry songs, and remembers its answers beside the songs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from songloom.errors import AudioError
from songloom.jobs.paths import FIGURES_FILE
from songloom.server.processes.line_process import LineProcess, ProcessEndedError

LONGEST_SECONDS = 300.0
"""Seconds that one song may take, a large codec on a busy machine included."""


class FidelityMeter:
    """Puts songs through models' codecs, in a process of its own, each once."""

    def __init__(self) -> None:
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # music comes first
        self._process = LineProcess("songloom.jobs.workers.fidelity", LONGEST_SECONDS, threads)

    async def measure(self, song: Path, model: str, target: Path) -> dict[str, Any]:
        """Figures of a song through a model's codec; sounds are in the target's folder then.

        Raises:
            AudioError: that can't be done; it says why.
        """
        known = await asyncio.to_thread(_read_figures, target)
        if known is not None:
            return known
        question = {"path": str(song), "model": model, "target": str(target)}
        try:
            answer = await self._process.ask(question)
        except ProcessEndedError as error:
            raise AudioError(f"it could not be put through {model!r}: {error}; try again") from None
        if "error" in answer:
            raise AudioError(answer["error"])
        return answer

    async def close(self) -> None:
        """End the process."""
        await self._process.close()


def _read_figures(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / FIGURES_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found
