"""Runs under hard conditions are written down as they were."""

import sys
from pathlib import Path

import pytest

from tests import hard_run
from tests.hard_run import KINDS, Row, append_row, choose_kind, format_table, read_rows

ROW = Row("2026-11-28T01:00:22+00:00", "0123456789", "avx2-2", 7, 35, 0, 1, 19, "A, and B")
FAILED = Row("2026-11-28T02:00:22+00:00", "0123456789", "all-1", 8, 33, 2, 1, 19, "A", "a::b c::d")


def test_rows_come_back_and_the_rarest_kind_is_next(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    assert read_rows(path) == []
    for row in (FAILED, ROW):
        append_row(path, row)
    assert read_rows(path) == [FAILED, ROW]
    assert choose_kind([FAILED, ROW]) == "default-1"
    assert choose_kind([FAILED]) != "all-1"
    assert format_table([ROW, FAILED, ROW]).splitlines()[-1].startswith("1 green runs in a row")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_an_environment(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx512")
    environment = hard_run.kind_environment(kind)
    kernels = environment.get("ATEN_CPU_CAPABILITY", "all")
    assert kind == f"{kernels}-{environment['OMP_NUM_THREADS']}"


SUITE = """
import os
def test_one():
    assert os.environ["OMP_NUM_THREADS"] == "2"
def test_two():
    assert {}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("holds", "failures"), [(True, []), (False, ["test_it::test_two"])])
def test_a_run_adds_a_row(
    holds: bool, failures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_it.py").write_text(SUITE.format(holds))
    results = tmp_path / "rows.csv"
    arguments = ["--kind", "avx2-2", "--seed", "3", "--results", str(results), "--"]
    rooted = [str(tmp_path), "--rootdir", str(tmp_path), "-p", "tests.conftest"]
    monkeypatch.setattr(sys, "argv", ["hard_run", *arguments, *rooted])
    assert hard_run.main() == (1 if failures else 0)
    [row] = read_rows(results)
    assert (row.kind, row.seed, row.passed) == ("avx2-2", 3, 2 - len(failures))
    assert row.failures.split() == failures
    assert row.is_green == (not failures)
