"""The snippets of docs/server.md run as they are, but for the address."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.clients import ROOT, TOKEN, needs_javascript, sound_at
from tests.tools import JAVASCRIPT_CLIENT

ADDRESS = "http://127.0.0.1:8000"
DOCUMENT = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
SECTION = DOCUMENT.partition("\n## From code that calls Replicate\n")[2].partition("\n## ")[0]


def snippets(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
    assert found
    return found


VARIABLES, CURL = snippets("sh")


def run(command: list[str], folder: Path, url: str) -> str:
    """What a program prints that a reader has written down from the document."""
    named = dict(re.findall(r"^export (\w+)=(\S+)", VARIABLES, re.MULTILINE))
    assert named == {"REPLICATE_BASE_URL": ADDRESS, "REPLICATE_API_TOKEN": "any"}
    environment = {**os.environ, "REPLICATE_BASE_URL": url, "REPLICATE_API_TOKEN": TOKEN}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("snippet", snippets("python"))
def test_python(snippet: str, url: str, songs: Path) -> None:
    said = run([sys.executable, "-W", "error", "-c", snippet], songs.parent, url)
    *lines, output = said.splitlines()
    assert lines == (["succeeded "] if "trainings" in snippet else [])
    assert sound_at(output)[:4] == b"RIFF"


@needs_javascript
@pytest.mark.parametrize("snippet", snippets("js"))
def test_javascript(snippet: str, url: str, tmp_path: Path) -> None:
    assert ADDRESS in snippet
    (tmp_path / "program.mjs").write_text(snippet.replace(ADDRESS, url))
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT_CLIENT.parent)
    assert sound_at(run(["node", "program.mjs"], tmp_path, url))[:4] == b"RIFF"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl(url: str, tmp_path: Path) -> None:
    assert ADDRESS in CURL
    said = run(["sh", "-c", CURL.replace(ADDRESS, url)], tmp_path, url)
    [output] = re.findall(r'"output":"([^"]+)"', said)
    assert sound_at(output)[:4] == b"RIFF"
