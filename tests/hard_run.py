"""The suite under hard conditions: random order, a busy core, other processors, more threads.

`make test-hard HARD_OPTIONS="--runs 6"`, or `python -m tests.hard_run`. A run is of one kind: what
ATEN_CPU_CAPABILITY allows PyTorch of the processor, and the number of its threads. Each one that
comes to its end adds a row to `tests/hard_runs.csv`; without --kind the next is of the kind with
the fewest rows. Ctrl-C leaves what was finished.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "tests" / "hard_runs.csv"
KINDS = tuple(
    f"{kernels}-{threads}" for kernels in ("default", "avx2", "all") for threads in (1, 2)
)
BURN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(10**6))\n"
"""A core's worth of load, which ends with whom it belongs to."""


@dataclass(frozen=True)
class Row:
    """One run of the suite, as it is written down."""

    began: str
    commit: str
    kind: str
    seed: int
    passed: int
    failed: int
    skipped: int
    seconds: int
    processor: str
    failures: str = ""
    """The names of the tests that failed, with spaces between."""

    @property
    def is_green(self) -> bool:
        return self.failed == 0


def read_rows(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    numbers = {field.name for field in fields(Row) if field.type is int}
    with path.open(newline="") as file:
        return [
            Row(**{name: int(value) if name in numbers else value for name, value in row.items()})
            for row in csv.DictReader(file)
        ]


def append_row(path: Path, row: Row) -> None:
    is_new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(row))


def choose_kind(rows: list[Row]) -> str:
    """The kind that was run least often."""
    return min(KINDS, key=lambda kind: sum(row.kind == kind for row in rows))


def kind_environment(kind: str) -> dict[str, str]:
    """Variables of a process that runs under the conditions of a kind."""
    kernels, _, threads = kind.partition("-")
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    environment.pop("ATEN_CPU_CAPABILITY", None)
    if kernels != "all":
        environment["ATEN_CPU_CAPABILITY"] = kernels
    return environment


def run_suite(kind: str, seed: int, arguments: list[str]) -> Row:
    began, clock = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, burn_core():
        report = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-m", "not gpu and not network", "-n", "2"),
            *("--dist", "loadfile", "--no-loadscope-reorder", "--shuffle", str(seed)),
            *(f"--junitxml={report}", *arguments),
        ]
        code = subprocess.run(command, cwd=ROOT, env=kind_environment(kind), check=False).returncode
        if code == pytest.ExitCode.USAGE_ERROR:
            raise SystemExit(code)
        passed, failures, skipped = read_report(report)
        if code and not failures:
            failures = [f"exit-code-{code}"]
    return Row(
        began.isoformat(timespec="seconds"),
        git_commit(),
        kind,
        seed,
        passed,
        len(failures),
        skipped,
        round(time.monotonic() - clock),
        processor_name(),
        " ".join(failures),
    )


@contextmanager
def burn_core() -> Iterator[None]:
    burning = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        yield
    finally:
        burning.kill()
        burning.wait()


def read_report(path: Path) -> tuple[int, list[str], int]:
    """How many tests passed, which failed, and how many were skipped."""
    if not path.is_file():
        return 0, [], 0
    passed = skipped = 0
    failures = []
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(f"{case.get('classname')}::{case.get('name')}".replace(" ", "_"))
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failures, skipped


def git_commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((x.partition(": ")[2] for x in lines if x.startswith("model name")), "unknown")


def format_table(rows: list[Row]) -> str:
    """The rows, and how many of the last ones are green in a row."""
    lines = ["| began | commit | kind | seed | passed | failed | skipped | seconds |"]
    lines.append("|---|---|---|--:|--:|--:|--:|--:|")
    lines += [
        f"| {row.began} | {row.commit} | {row.kind} | {row.seed} | {row.passed} | {row.failed} "
        f"| {row.skipped} | {row.seconds} |"
        for row in rows
    ]
    green = 0
    for row in reversed(rows):
        if not row.is_green:
            break
        green += 1
    counts = ", ".join(f"{kind} {sum(row.kind == kind for row in rows)}" for kind in KINDS)
    return "\n".join([*lines, "", f"{green} green runs in a row. Runs of each kind: {counts}."])


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1, help="how many runs (default: %(default)s)")
    parser.add_argument("--kind", choices=KINDS, help="of which kind (default: the rarest so far)")
    parser.add_argument("--seed", type=int, help="of the order (default: drawn for each run)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("pytest", nargs="*", help="further arguments of pytest, after --")
    chosen = parser.parse_args()
    are_green = True
    for _ in range(0 if chosen.table else chosen.runs):
        kind = chosen.kind or choose_kind(read_rows(chosen.results))
        seed = random.randrange(10**6) if chosen.seed is None else chosen.seed
        print(f"A run of kind {kind} with seed {seed}", flush=True)
        row = run_suite(kind, seed, chosen.pytest)
        append_row(chosen.results, row)
        are_green = are_green and row.is_green
    print(format_table(read_rows(chosen.results)))
    return 0 if are_green else 1


if __name__ == "__main__":
    sys.exit(main())
