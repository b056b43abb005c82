"""A server for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.serving import Serving, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    """A server that is open to this machine, with settings as they are by default."""
    with serving(tmp_path / "server") as running:
        yield running
