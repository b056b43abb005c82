"""Databases of older songlooms, brought up to date."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from songloom.errors import OutputError
from songloom.jobs.store import migrations
from songloom.jobs.store.schema import metadata
from songloom.jobs.store.store import Store
from tests.jobs.samples import job

SCHEMA_1 = Path(__file__).parent / "golden" / "schema-1.sql"
"""A database as the first version left it: three jobs, two webhooks owed, a token, a model."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "songloom.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA_1.read_text())
    connection.close()
    return path


def test_what_the_first_version_kept_is_still_there(old: Path) -> None:
    for _ in range(2):  # the second time there is nothing to do
        store = Store(f"sqlite:///{old}")
        assert [kept.id for kept in store.jobs("prediction")] == ["c", "a"]
        ended = store.job("a")
        assert ended is not None
        assert (ended.status, ended.seed, ended.input["duration"]) == ("succeeded", 7, 4)
        assert store.count_deliveries() == 2
        assert [token.name for token in store.tokens()] == ["laptop"]
        assert [version.name for version in store.all_versions()] == ["my-style"]
        assert store.secret("urls", lambda: "another") == "a key"
        store.close()


def test_old_jobs_get_their_marks(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_AT_ONCE", 2)
    store = Store(f"sqlite:///{old}")
    found, total = store.library.page()
    assert ([kept.job.id for kept in found], total) == (["c", "b", "a"], 3)
    assert [kept.job.id for kept in store.library.page(query="pïano warm")[0]] == ["a"]
    assert [kept.job.id for kept in store.library.page(query="my-style")[0]] == ["b"]
    store.add_job(job("d"), limit=10)
    assert store.library.page()[1] == 4
    store.close()


def test_each_database_is_brought_up_to_date(url: str) -> None:
    store = Store(url)
    for number in range(5):
        store.add_job(job(str(number), input={"prompt": f"song \0 {number}"}), limit=10)
    store.close()
    engine = create_engine(url)
    with engine.begin() as connection:  # as the first version would have left it
        metadata.tables["marks"].drop(connection)
        connection.exec_driver_sql("UPDATE facts SET value = '1' WHERE name = 'schema_version'")
    engine.dispose()
    store = Store(url)
    assert store.library.page(query="song")[1] == 5
    store.close()


def test_one_that_fails_leaves_all_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: object) -> None:
        migrations._add_annotations(connection)  # type: ignore[arg-type]
        raise RuntimeError("no room")

    with monkeypatch.context() as context:
        context.setattr(migrations, "_STEPS", {1: fail})
        with pytest.raises(RuntimeError, match="no room"):
            Store(f"sqlite:///{old}")
    with sqlite3.connect(old) as connection:
        version = connection.execute("SELECT value FROM facts WHERE name = 'schema_version'")
        assert version.fetchone() == ("1",)
    connection.close()
    store = Store(f"sqlite:///{old}")
    assert store.library.page()[1] == 3
    store.close()


def test_a_newer_one_is_not_touched(old: Path) -> None:
    with sqlite3.connect(old) as connection:
        connection.execute("UPDATE facts SET value = '99' WHERE name = 'schema_version'")
    connection.close()
    with pytest.raises(OutputError, match="version 99"):
        Store(f"sqlite:///{old}")
