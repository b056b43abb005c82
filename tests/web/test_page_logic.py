"""What the page computes, by its own modules in Node; what it shows is tested in tests/browser."""

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.split(".")[0])
def test_the_page_computes(path: Path) -> None:
    run = subprocess.run(
        ["node", "--test", "--test-reporter=tap", path], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
