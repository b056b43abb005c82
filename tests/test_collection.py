"""Every process finds the same tests in the same order, as those that share them out must."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def collected(*arguments: str, seed: str) -> Iterator[str]:
    """The names of the tests that a process with such hashes finds."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (line for line in done.stdout.splitlines() if "::" in line)


@pytest.mark.slow
def test_another_process_finds_the_same_tests_later(request: pytest.FixtureRequest) -> None:
    """This process is the other one: it has hashes of its own, and found its tests before."""
    config = request.config
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    paths = [config.invocation_params.dir / path for path in config.args]
    arguments = [*map(str, paths), "-m", config.option.markexpr]
    if (shuffle := config.getoption("shuffle")) is not None:
        arguments += ["--shuffle", str(shuffle)]
    ours = [item.nodeid for item in request.session.items]
    wanted = set(ours)  # some may have been left out by their names
    assert [name for name in collected(*arguments, seed=seed) if name in wanted] == ours


UNSTEADY = """
import time
import pytest
@pytest.mark.parametrize("content", [str(time.time_ns()).encode(), b"same"])
def test_bytes(content): ...
@pytest.mark.parametrize("letter", {*"abcdefgh"})
def test_a_set(letter): ...
"""


@pytest.mark.slow
def test_bytes_are_named_by_their_place_and_sets_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "test_unsteady.py"
    path.write_text(UNSTEADY)
    conftest = ("-p", "tests.conftest", "--rootdir", str(tmp_path))
    first, second = (list(collected(str(path), *conftest, seed=seed)) for seed in "12")
    file = "test_unsteady.py"
    assert first[:2] == second[:2] == [f"{file}::test_bytes[content{i}]" for i in range(2)]
    assert sorted(first) == sorted(second)
    assert first != second
