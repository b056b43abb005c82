"""What all benchmarks share: their two options, and how they print what they measured."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How a benchmark is to run."""

    quick: bool
    """A minute's run: fewer steps and repetitions."""
    json: bool
    """Print nothing but one JSON object on the last line."""
    reference: Path | None = None
    """A checkout of the reference implementation, for those that compare with its code."""


def options(description: str | None, *, reference: str | None = None) -> Options:
    """Read the command line; `reference` says what a checkout is for, where one is needed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a minute's run")
    parser.add_argument("--json", action="store_true", help="only one JSON object, on a line")
    if reference is not None:
        parser.add_argument("--reference", type=Path, metavar="DIR", help=reference)
    parsed = parser.parse_args()
    return Options(parsed.quick, parsed.json, vars(parsed).get("reference"))


def say(text: str, options: Options) -> None:
    """Print progress for people."""
    if not options.json:
        print(text, flush=True)


def finish(results: dict[str, float | int | str], options: Options) -> None:
    """Print the results as a table, and as JSON on the last line."""
    if not options.json:
        for name, value in results.items():
            shown = f"{value:.3g}" if isinstance(value, float) else value
            print(f"  {name:<36} {shown}")
    print(json.dumps({**results, "machine": machine()}))


def machine() -> str:
    """Processor and cores, without which a ratio says little."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next(line for line in lines if line.startswith("flags"))
        widest = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "SSE"
        name = f"{name}, {widest}"
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores"


def median(values: list[float]) -> float:
    """The middle one."""
    return float(statistics.median(values))
