"""Jobs as their owner keeps them, on each kind of database."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from songloom.clock import utc_now
from songloom.jobs.store.records import Job
from songloom.jobs.store.store import Store
from tests.jobs.samples import job


def add(store: Store, id: str, prompt: str = "", **fields: object) -> Job:
    given: Mapping[str, Any] = {"prompt": prompt}
    return store.add_job(job(id, input=given, **fields), limit=1000)


def ids(store: Store, **wanted: Any) -> list[str]:
    found, total = store.library.page(**wanted)
    assert "limit" in wanted or total == len(found)
    return [kept.job.id for kept in found]


@pytest.mark.slow
def test_the_newest_come_first_page_by_page(store: Store) -> None:
    for number in range(5):
        add(store, str(number))
    first, total = store.library.page(limit=2)
    assert ([kept.job.id for kept in first], total) == (["4", "3"], 5)
    then, total = store.library.page(limit=2, before=first[-1].job.sequence)
    assert ([kept.job.id for kept in then], total) == (["2", "1"], 5)
    assert store.library.page(before=2**80)[1] == 5


def test_a_page_has_no_logs(store: Store) -> None:
    add(store, "a", logs="long\n")
    kept = store.library.item("a")
    assert kept is not None
    assert kept.job.logs == store.library.page()[0][0].job.logs == ""


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["t", "b", "a"]), ("warm", ["a"]), ("WARM piano", ["a"]), ("piano warm", ["a"]),
        ("straße", ["b"]), ("STRASSE", ["b"]), ("ÜBER", ["b"]), ("warm über", []),
        ("%", ["b"]), ("_", []), ("me/my-style", ["t"]), ("bells", ["t"]), ("\0", []),
    ],
)  # fmt: skip
def test_all_words_are_looked_for(store: Store, query: str, found: list[str]) -> None:
    add(store, "a", "A warm felt piano")
    add(store, "b", "über die Straße, 100%")
    told = {"one_same_description": "Bells", "dataset_path": "https://example.com/piano.zip"}
    store.add_job(job("t", kind="training", input=told, destination="me/my-style"), limit=10)
    assert ids(store, query=query) == found


def test_a_title_is_found_as_the_prompt_is(store: Store) -> None:
    add(store, "a", "warm piano")
    store.library.rename("a", "Morning Song")
    kept = store.library.item("a")
    assert kept is not None
    assert kept.title == "Morning Song"
    assert ids(store, query="morning warm") == ["a"]
    store.library.rename("a", None)
    assert ids(store, query="morning") == []
    assert ids(store, query="warm") == ["a"]


def test_favourites_and_kinds(store: Store) -> None:
    add(store, "a")
    add(store, "b")
    add(store, "t", kind="training")
    store.library.favor("a", True)
    assert ids(store, favorite=True) == ["a"]
    assert ids(store, favorite=False) == ["t", "b"]
    assert ids(store, kind="training") == ["t"]
    assert ids(store, kind="prediction", favorite=True) == ["a"]
    store.library.favor("a", False)
    assert ids(store, favorite=True) == []


def test_what_is_in_the_bin_is_seen_there_only(store: Store) -> None:
    add(store, "a")
    add(store, "b")
    store.library.delete("a")
    kept = store.library.item("a")
    assert kept is not None
    assert kept.deleted_at is not None
    assert ids(store) == ["b"]
    assert ids(store, deleted=True) == ["a"]
    assert [listed.id for listed in store.jobs("prediction")] == ["b"]
    assert store.job("a") is not None
    store.library.restore("a")
    assert ids(store) == ["b", "a"]
    assert ids(store, deleted=True) == []


def test_a_second_deletion_does_not_put_off_the_end(store: Store) -> None:
    add(store, "a")
    store.library.delete("a")
    first = store.library.item("a")
    store.library.delete("a")
    assert store.library.item("a") == first


def test_the_bin_by_age(store: Store) -> None:
    for id in "abc":
        add(store, id)
    store.library.delete("b")
    store.library.delete("a")
    assert store.library.trash_ids() == ["b", "a"]
    assert store.library.trash_ids(utc_now() - timedelta(days=1)) == []
    assert store.library.trash_ids(utc_now() + timedelta(days=1), limit=1) == ["b"]


def test_a_waiting_job_in_the_bin_still_is_work(store: Store) -> None:
    add(store, "a")
    store.library.delete("a")
    assert [waiting.id for waiting in store.list_waiting(10)] == ["a"]


def test_nothing_comes_of_unknown_ids(store: Store) -> None:
    assert store.library.item("x") is None
    store.library.rename("x", "y")
    store.library.favor("x", True)
    store.library.delete("x")
    store.library.restore("x")
    assert ids(store) == []


def test_removed_data_leaves_the_title(store: Store) -> None:
    add(store, "a", "warm piano")
    store.library.rename("a", "Morning")
    store.finish("a", "failed", error="no")
    store.remove_data("a")
    assert ids(store, query="morning") == ["a"]
    assert ids(store, query="piano") == []


def test_a_forgotten_job_leaves_no_mark(store: Store) -> None:
    add(store, "a")
    store.finish("a", "failed", error="no")
    store.delete_job("a")
    assert ids(store) == []
    add(store, "a")
    assert ids(store) == ["a"]
