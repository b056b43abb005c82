"""Settings of all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Two processes that run tests must not share numba's cache of librosa's compiled functions: one
# that read what the other was writing crashed.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    cache = Path(__file__).parents[1] / ".pytest_cache" / f"numba-{worker}"
    os.environ["NUMBA_CACHE_DIR"] = str(cache)

# On a machine that decides whether a change lands, property tests try the same examples every time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True, scope="session")
def _home_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see no model that their user has trained, and leave none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONGLOOM_HOME", str(tmp_path_factory.mktemp("home")))
        yield
