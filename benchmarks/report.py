"""What all benchmarks share: their two options, and how they print what they measured."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import FOLDER, describe_run, refresh_documents, write_results
from songloom.machine import read_processor


@dataclass(frozen=True)
class Options:
    """How a benchmark is to run."""

    quick: bool
    """A minute's run: fewer steps and repetitions."""
    json: bool
    """Print nothing but one JSON object on the last line."""
    save: bool = False
    """Keep the results in `benchmarks/results`, and put them into the documents."""
    reference: Path | None = None
    """A checkout of the reference implementation, for those that compare with its code."""


def options(description: str | None, *, reference: str | None = None) -> Options:
    """Read the command line; `reference` says what a checkout is for, where one is needed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a minute's run")
    parser.add_argument("--json", action="store_true", help="only one JSON object, on a line")
    parser.add_argument(
        "--save", action="store_true", help="keep the results, and put them into the documents"
    )
    if reference is not None:
        parser.add_argument("--reference", type=Path, metavar="DIR", help=reference)
    parsed = parser.parse_args()
    return Options(parsed.quick, parsed.json, parsed.save, vars(parsed).get("reference"))


def say(text: str, options: Options) -> None:
    """Print progress for people."""
    if not options.json:
        print(text, flush=True)


def finish(results: dict[str, float | int | str], options: Options) -> None:
    """Print the results as a table, and as JSON on the last line; keep them where that is asked."""
    if not options.json:
        for name, value in results.items():
            shown = f"{value:.3g}" if isinstance(value, float) else value
            print(f"  {name:<36} {shown}")
    here = machine()
    print(json.dumps({**results, "machine": here}))
    if options.save:
        module = sys.modules["__main__"].__spec__
        name = "" if module is None else module.name
        save_results(name, here, results, options)


def save_results(
    module: str, machine: str, results: dict[str, float | int | str], options: Options
) -> None:
    """Keep results as those of `python -m MODULE`, and bring the documents up to date."""
    quick = "-quick" if options.quick else ""
    command = f"python -m {module}{' --quick' if options.quick else ''}"
    path = FOLDER / f"{module.rpartition('.')[2]}{quick}.json"
    write_results(path, describe_run(command, machine, results))
    refresh_documents()


def machine() -> str:
    """The processor and what its memory gives, without which a ratio says little."""
    from benchmarks.limits import read_bandwidth

    return f"{read_processor()}, {read_bandwidth() / 1e9:.1f} GB/s read"


def median(values: list[float]) -> float:
    """The middle one."""
    return float(statistics.median(values))
