"""Programs from outside Python that some tests need, and are skipped without."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
AXE = TESTS / "browser" / "node_modules" / "axe-core" / "axe.min.js"
JAVASCRIPT_CLIENT = TESTS / "server" / "js" / "node_modules" / "replicate"
COG = TESTS.parent / ".venv-cog"


def find_chromium() -> str | None:
    """Where Chromium is: the value of the variable CHROMIUM, or the first of its usual names."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def find_postgres() -> dict[str, str] | None:
    """PostgreSQL's programs that make and run a cluster, unless one is missing."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    found = {name: shutil.which(name, path=path) for name in ("initdb", "pg_ctl")}
    return {name: str(place) for name, place in found.items()} if all(found.values()) else None


def has_cog() -> bool:
    return (COG / ".installed").is_file()


def missing_tools() -> Iterator[str]:
    """What is not here, and which tests are skipped for that."""
    if find_chromium() is None:
        yield "Chromium (tests of the page in a browser; CHROMIUM may name one)"
    if shutil.which("node") is None or not JAVASCRIPT_CLIENT.is_dir():
        yield "npm (tests with Replicate's JavaScript client)"
    if not AXE.is_file():
        yield "npm (tests of the page's accessibility)"
    if find_postgres() is None:
        yield "PostgreSQL (tests of the store on it)"
    if not has_cog():
        yield "Cog (tests that compare with it; make .venv-cog/.installed says why)"
