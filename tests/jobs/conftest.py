"""A store of each kind of database, empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from songloom.jobs.store.records import new_id
from songloom.jobs.store.store import Store
from tests.jobs.databases import postgres


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'songloom.db'}"
    cluster = str(request.getfixturevalue("cluster"))
    schema = f"s{new_id()}"
    engine = create_engine(cluster)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    engine.dispose()
    return f"{cluster}&options=-csearch_path%3D{schema}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()
