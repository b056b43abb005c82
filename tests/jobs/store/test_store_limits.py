"""What clients, clocks and several at once may do to the store."""

import json
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select, text

from songloom.errors import DuplicateError, OutputError, QueueFullError
from songloom.jobs.store import store as store_module
from songloom.jobs.store.database import transaction
from songloom.jobs.store.records import Job, StoredFile, Version
from songloom.jobs.store.schema import SCHEMA_VERSION, deliveries
from songloom.jobs.store.store import Store
from tests.jobs.samples import job

STRANGE = "nul \0, half a pair \ud83d, a whole one \U0001f3b9"
STORED = "nul \ufffd, half a pair \ufffd, a whole one \U0001f3b9"


def all_at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Run each in a thread of its own; what they raised."""
    faults: list[BaseException] = []
    line = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        try:
            line.wait()
            call()
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def test_any_text_is_stored(store: Store) -> None:
    given = job(STRANGE, input={"prompt": STRANGE}, webhook=STRANGE, destination=STRANGE)
    accepted = store.add_job(given, limit=10)
    assert accepted.input == {"prompt": STRANGE}  # JSON can hold it
    assert (accepted.id, accepted.webhook) == (STORED, STORED)
    store.begin(STRANGE)
    store.log(STRANGE, STRANGE)
    ended = store.finish(STRANGE, "failed", error=STRANGE)
    assert (ended.logs, ended.error) == (STORED, STORED)
    assert store.job(STRANGE) == ended
    assert store.file(STRANGE) is None
    assert store.version(STRANGE) is None


def test_numbers_that_are_none_become_null(store: Store) -> None:
    store.add_job(job(input={"a": [1.5, float("inf")]}), limit=10)
    ended = store.finish("a", "succeeded", metrics={"loss": float("nan"), "steps": 3})
    assert ended.input == {"a": [1.5, None]}
    assert ended.metrics == {"loss": None, "steps": 3}


def test_any_place_can_be_asked_for(store: Store) -> None:
    accepted = store.add_job(job(), limit=10)
    assert store.jobs("prediction", before=10**30) == [accepted]
    assert store.jobs("prediction", before=-(10**30)) == []
    assert store.jobs("prediction", after=-1) == [accepted]
    assert store.files(before=10**30, after=10**30) == []


def test_times_of_other_zones_are_the_same_times(store: Store) -> None:
    moment = datetime(2030, 1, 1, 12, tzinfo=UTC)
    accepted = store.add_job(job(created_at=moment), limit=10)
    found = store.job("a")
    assert found is not None
    assert (found.created_at, found.created_at.tzinfo) == (moment, UTC)
    east = timezone(timedelta(hours=9))
    just_before, just_after = (
        (moment + timedelta(seconds=step)).astimezone(east) for step in (-1, 1)
    )
    assert store.jobs("prediction", created_after=just_before) == [accepted]
    assert store.jobs("prediction", created_after=just_after) == []
    assert store.jobs("prediction", created_before=just_after) == [accepted]
    first = datetime(1, 1, 1, tzinfo=east)  # has no name in UTC
    assert store.jobs("prediction", created_after=first) == [accepted]


def test_a_job_ends_no_earlier_than_it_began(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_job(job(), limit=10)
    begun = store.begin("a")
    earlier = datetime(2001, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(store_module, "utc_now", lambda: earlier)
    assert store.finish("a", "succeeded").completed_at == begun.started_at
    store.add_job(job("b"), limit=10)
    canceled = store.request_cancel("b")
    assert canceled is not None
    assert canceled.completed_at == canceled.created_at > earlier


def test_a_job_that_someone_asked_to_end_is_not_begun_again(store: Store) -> None:
    store.add_job(job(webhook="https://x", webhook_events=("completed",)), limit=10)
    store.begin("a")
    store.request_cancel("a")
    assert store.due_deliveries() == []
    back = store.requeue("a")
    assert (back.status, back.completed_at is None) == ("canceled", False)
    assert [owed.job.status for owed in store.due_deliveries()] == ["canceled"]


def test_no_more_wait_than_may_however_many_come_at_once(store: Store) -> None:
    def accept(name: int) -> None:
        for number in range(5):
            store.add_job(job(f"{name}-{number}"), limit=12)

    faults = all_at_once(*(lambda name=name: accept(name) for name in range(6)))
    assert {type(fault) for fault in faults} == {QueueFullError}
    waiting = store.list_waiting(100)
    assert len(waiting) == 12
    for name in range(6):  # each one's own stand in their order
        own = [accepted.id for accepted in waiting if accepted.id.startswith(f"{name}-")]
        assert own == sorted(own)


def test_one_id_is_accepted_once_however_often_it_comes_at_once(store: Store) -> None:
    faults = all_at_once(*[lambda: store.add_job(job(), limit=100)] * 6)
    assert [type(fault) for fault in faults] == [DuplicateError] * 5
    assert len(store.list_waiting(100)) == 1


def test_a_new_database_can_be_opened_by_several_at_once(url: str) -> None:
    opened: list[Store] = []
    assert all_at_once(*[lambda: opened.append(Store(url))] * 5) == []
    for store in opened:
        store.close()


def test_a_version_that_is_there_ends_no_job(store: Store) -> None:
    version = Version("f" * 64, "me", "style", "style", training="t")
    store.add_version(version)
    with pytest.raises(DuplicateError, match="ffff"):
        store.add_version(version)
    store.add_job(job("t", kind="training", webhook="https://x"), limit=10)
    begun = store.begin("t")
    with pytest.raises(DuplicateError):
        store.finish("t", "succeeded", output={"files": []}, version=version)
    assert store.job("t") == begun
    assert [owed.event for owed in store.due_deliveries()] == ["start"]


def test_what_is_owed_shows_the_job_of_then_and_keeps_its_input_once(store: Store) -> None:
    prompt = "a long prompt " * 100
    store.add_job(job(input={"prompt": prompt}, webhook="https://x"), limit=10)
    begun = store.begin("a")
    store.finish("a", "failed", error="no")
    [start] = store.due_deliveries()
    assert start.job == begun
    with transaction(store._engine) as connection:
        kept = json.dumps(list(connection.execute(select(deliveries.c.snapshot)).scalars()))
    assert "no" in kept
    assert "prompt" not in kept


def test_removed_data_is_told_to_nobody(store: Store) -> None:
    secret = {"prompt": "secret"}
    store.add_job(job(input=secret, webhook="https://x"), limit=10)
    store.begin("a")
    store.log("a", "secret\n")
    store.finish("a", "succeeded", output={"files": ["secret.wav"]})
    removed = store.remove_data("a")
    [owed] = store.due_deliveries()
    assert (owed.event, owed.job) == ("completed", removed)
    assert "secret" not in repr(owed)
    store.remove_delivery(owed.id)
    assert store.count_deliveries() == 0


def test_a_file_is_needed_until_the_jobs_that_name_it_have_ended(store: Store) -> None:
    store.add_file(StoredFile("f1", "a.wav", "audio/wav", 1, "0" * 64))
    assert not store.needs_file("f1")
    store.add_job(job(input={"input_audio": "http://host/v1/files/f1"}), limit=10)
    assert store.needs_file("f1")
    assert not store.needs_file("f%")  # which is no pattern
    store.finish("a", "failed", error="no")
    assert not store.needs_file("f1")


def test_a_connection_that_broke_is_made_again(cluster: str) -> None:
    # As an address without its driver, which means the one that songloom brings.
    store = Store(cluster.replace("postgresql+psycopg", "postgresql"))
    store.counts()
    other = create_engine(cluster)
    with other.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
        assert any(ended.scalars())
    other.dispose()
    assert store.counts() == {}
    store.close()


def test_a_newer_database_gets_no_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'songloom.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)"))
        connection.execute(text("INSERT INTO facts VALUES ('schema_version', '99')"))
    with pytest.raises(OutputError, match=f"knows versions up to {SCHEMA_VERSION} only"):
        Store(url)
    assert inspect(engine).get_table_names() == ["facts"]
    engine.dispose()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "of the server" / "songloom.db"
    store = Store(f"sqlite:///{path}")
    store.add_job(job(), limit=10)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()


@pytest.mark.parametrize("url", ["mysql://u:s3cret@host/x", "//u:s3cret@host/x"])
def test_what_is_no_database_s_url_is_not_repeated(url: str) -> None:
    with pytest.raises(OutputError, match="must be a URL such as") as raised:
        Store(url)
    assert "s3cret" not in str(raised.value)


def test_a_mapping_of_any_kind_can_be_an_input(store: Store) -> None:
    from types import MappingProxyType

    frozen = MappingProxyType({"prompt": "x", "inner": MappingProxyType({"a": 1})})
    accepted: Job = store.add_job(job(input=frozen), limit=10)
    assert accepted == replace(accepted, input={"prompt": "x", "inner": {"a": 1}})
