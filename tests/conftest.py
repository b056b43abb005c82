"""Settings of all tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

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
