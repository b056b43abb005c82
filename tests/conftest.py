"""Settings of all tests."""

import gc
import os
import random
import signal
from collections.abc import Generator, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import settings

from tests.memory_files import make_memory_folder
from tests.tools import missing_tools

# Two processes that run tests must not share numba's cache of librosa's compiled functions: one
# that read what the other was writing crashed.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    cache = Path(__file__).parents[1] / ".pytest_cache" / f"numba-{worker}"
    os.environ["NUMBA_CACHE_DIR"] = str(cache)

# Databases wait for the disk at each change, tests for nothing: their files are in memory.
if not worker and (root := make_memory_folder()):
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(root)

# A shell starts what runs in its background with Ctrl-C ignored, which programs that tests start
# would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# On a machine that decides whether a change lands, property tests try the same examples every time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run files, and tests in them, in random order"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    files = [list(tests) for _, tests in groupby(items, lambda item: item.path)]
    seed = config.getoption("shuffle")
    if seed is None:
        # What takes long begins first, so that no process is left alone with it at the end.
        files.sort(key=share_of_slow, reverse=True)
    else:
        chance = random.Random(seed)
        chance.shuffle(files)
        for tests in files:
            chance.shuffle(tests)
    items[:] = [test for tests in files for test in tests]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what all modules made, which stays to the end anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def share_of_slow(tests: list[pytest.Item]) -> float:
    slow = [test for test in tests if {"slow", "browser"} & set(test.keywords)]
    return len(slow) / len(tests)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument and place, as objects are: contents may hold the time."""
    return argname if isinstance(val, bytes) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = ", ".join(missing_tools())
    if missing and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"Skipped, as this machine has no: {missing}")


@pytest.fixture(autouse=True, scope="module")
def _home_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see no model that their user, or another file's tests, have trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONGLOOM_HOME", str(tmp_path_factory.mktemp("home")))
        yield
