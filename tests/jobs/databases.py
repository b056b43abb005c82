"""Databases to test the store on: SQLite always, PostgreSQL where its programs are."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tools import find_postgres
from tests.waiting import PATIENCE

POSTGRES_USER = "postgres"


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty cluster on a socket of its own; skips the test where there is none."""
    programs = find_postgres()
    pytest.importorskip("psycopg")
    if programs is None:
        pytest.skip("no PostgreSQL here")
    prefix: list[str] = []
    if os.getuid() == 0:  # it refuses to run as root
        if shutil.which("setpriv") is None or not _has_user(POSTGRES_USER):
            pytest.skip("no user that PostgreSQL could run as")
        prefix = [
            "setpriv",
            f"--reuid={POSTGRES_USER}",
            f"--regid={POSTGRES_USER}",
            "--init-groups",
        ]
    # A socket's path must be short, and its folders open to the other user.
    home = Path(
        subprocess.check_output([*prefix, "mktemp", "-d", "/tmp/songloom-XXXXXX"]).decode().strip()
    )
    data = home / "data"

    def run(*command: str) -> None:
        done = subprocess.run(
            [*prefix, *command], cwd=home, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run(programs["initdb"], "-D", str(data), "-A", "trust", "-N", "-U", "songloom")
    options = f"-k {home} -c listen_addresses= -c fsync=off"
    run(programs["pg_ctl"], "-D", str(data), "-o", options, "-l", str(home / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://songloom@/postgres?host={home}"
    finally:
        run(programs["pg_ctl"], "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _has_user(name: str) -> bool:
    import pwd

    return any(entry.pw_name == name for entry in pwd.getpwall())
