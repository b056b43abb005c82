"""What the store promises, on each kind of database."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import text

from songloom.errors import DuplicateError, OutputError, QueueFullError
from songloom.jobs.store import store as store_module
from songloom.jobs.store import webhook_queue
from songloom.jobs.store.database import transaction
from songloom.jobs.store.records import ENDED, Job, StoredFile, Token, Version, new_id
from songloom.jobs.store.store import Store
from tests.jobs.samples import job


def test_a_job_is_kept_as_it_was_accepted(store: Store) -> None:
    given = job(
        version="v", destination="me/x", seed=2**62, webhook="https://example.com",
        webhook_events=("start", "completed"), cancel_after=60.0, logs="noted\n",
    )  # fmt: skip
    accepted = store.add_job(given, limit=10)
    assert accepted == replace(given, sequence=accepted.sequence)
    assert store.job("a") == accepted
    assert store.job("b") is None


def test_a_job_s_life(store: Store) -> None:
    store.add_job(job(), limit=10)
    begun = store.begin("a")
    assert (begun.status, begun.attempts) == ("processing", 1)
    assert begun.started_at is not None
    store.log("a", "one\n")
    store.log("a", "two\n")
    back = store.requeue("a")
    assert (back.status, back.logs) == ("starting", "one\ntwo\n")
    again = store.begin("a")
    assert (again.attempts, again.started_at) == (2, begun.started_at)
    ended = store.finish("a", "succeeded", output={"files": ["x.wav"]}, metrics={"predict_time": 1})
    assert (ended.status, ended.output) == ("succeeded", {"files": ["x.wav"]})
    assert ended.completed_at is not None
    assert store.counts() == {("prediction", "succeeded"): 1}


def test_what_was_no_failure_is_no_attempt_and_starts_once(store: Store) -> None:
    store.add_job(job(webhook="https://example.com"), limit=10)
    store.begin("a")
    assert store.requeue("a", failed=False).attempts == 0
    assert store.requeue("a", failed=False).attempts == 0
    assert store.begin("a").attempts == 1
    assert [delivery.event for delivery in store.due_deliveries()] == ["start"]
    store.remove_delivery(store.due_deliveries()[0].id)
    assert store.due_deliveries() == []


def test_an_ended_job_never_changes(store: Store) -> None:
    store.add_job(job(), limit=10)
    ended = store.finish("a", "failed", error="no")
    store.log("a", "late\n")
    assert store.begin("a") == ended
    assert store.requeue("a") == ended
    assert store.finish("a", "succeeded", output={"files": []}) == ended
    assert store.request_cancel("a") == ended
    assert store.job("a") == ended


def test_a_job_that_was_stopped_can_wait_again(store: Store) -> None:
    store.add_job(job(cancel_after=60.0), limit=10)
    store.begin("a")
    assert store.resume("a").status == "processing"
    store.request_cancel("a")
    store.finish("a", "canceled", log="saved\n")
    resumed = store.resume("a")
    assert (resumed.status, resumed.attempts, resumed.logs) == ("starting", 0, "saved\n")
    assert (resumed.completed_at, resumed.cancel_after) == (None, None)
    assert not resumed.cancel_requested
    assert [waiting.id for waiting in store.list_waiting(9)] == ["a"]
    store.begin("a")
    store.finish("a", "failed", error="no")
    assert store.resume("a").error is None
    store.finish("a", "succeeded", output={"files": []})
    assert store.resume("a").status == "succeeded"
    with pytest.raises(KeyError):
        store.resume("b")


def test_unknown_jobs(store: Store) -> None:
    with pytest.raises(KeyError):
        store.begin("nobody")
    assert store.request_cancel("nobody") is None


def test_a_waiting_job_is_cancelled_at_once_a_running_one_is_asked(store: Store) -> None:
    store.add_job(job("waits"), limit=10)
    store.add_job(job("runs"), limit=10)
    store.begin("runs")
    canceled = store.request_cancel("waits")
    assert canceled is not None
    assert canceled.status == "canceled"
    asked = store.request_cancel("runs")
    assert asked is not None
    assert (asked.status, asked.cancel_requested) == ("processing", True)


def test_the_queue_has_an_end_and_an_order(store: Store) -> None:
    for number in range(3):
        store.add_job(job(f"job {number}"), limit=3)
    with pytest.raises(QueueFullError, match="3 jobs wait already"):
        store.add_job(job("one too many"), limit=3)
    assert [waiting.id for waiting in store.list_waiting(10)] == ["job 0", "job 1", "job 2"]
    store.begin("job 0")
    store.add_job(job("another"), limit=3)
    store.requeue("job 0")
    assert [waiting.id for waiting in store.list_waiting(2)] == ["job 0", "job 1"]  # its old place


def test_no_two_jobs_have_one_id(store: Store) -> None:
    first = store.add_job(job(), limit=10)
    with pytest.raises(DuplicateError, match="'a'"):
        store.add_job(job(kind="training"), limit=10)
    assert store.job("a") == first


def test_pages_go_both_ways(store: Store) -> None:
    kept = [store.add_job(job(str(n)), limit=10) for n in range(5)]
    store.add_job(job("t", kind="training"), limit=10)
    newest = store.jobs("prediction", limit=2)
    assert [item.id for item in newest] == ["4", "3"]
    older = store.jobs("prediction", before=newest[-1].sequence, limit=2)
    assert [item.id for item in older] == ["2", "1"]
    newer = store.jobs("prediction", after=kept[1].sequence, limit=2)
    assert [item.id for item in newer] == ["3", "2"]
    assert store.jobs("prediction", created_before=kept[0].created_at) == []
    later = datetime.now(UTC) + timedelta(days=1)
    assert store.jobs("prediction", created_after=later) == []


def test_webhooks_are_owed_with_the_change_that_they_tell_of(store: Store) -> None:
    store.add_job(job(webhook="https://example.com/hook"), limit=10)
    assert store.due_deliveries() == []
    store.begin("a")
    store.log("a", "1\n")
    store.log("a", "2\n")  # is told together with the first
    store.finish("a", "succeeded", output={"files": ["x.wav"]})
    told = []
    while owed := store.due_deliveries():
        [delivery] = owed  # one at a time, so that they arrive in order
        told.append((delivery.event, delivery.job.status, delivery.job.logs))
        store.remove_delivery(delivery.id)
    assert told == [
        ("start", "processing", ""),
        ("logs", "processing", "1\n2\n"),
        ("output", "succeeded", "1\n2\n"),
        ("completed", "succeeded", "1\n2\n"),
    ]


def test_only_events_that_are_wanted_are_owed(store: Store) -> None:
    store.add_job(job("a"), limit=10)
    store.add_job(job("b", webhook="https://x", webhook_events=("completed",)), limit=10)
    for id in ("a", "b"):
        store.begin(id)
        store.log(id, "line\n")
        store.finish(id, "failed", error="no")
    assert [(owed.job.id, owed.event) for owed in store.due_deliveries()] == [("b", "completed")]


def test_a_delivery_in_vain_comes_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_job(job(webhook="https://x"), limit=10)
    store.request_cancel("a")
    [owed] = store.due_deliveries()
    store.postpone(owed.id, 30.0)
    assert store.due_deliveries() == []
    assert store.count_deliveries() == 1
    real = webhook_queue.time.time
    monkeypatch.setattr(webhook_queue.time, "time", lambda: real() + 31)
    assert [later.attempts for later in store.due_deliveries()] == [1]
    # A clock that is set back by a year does not make it wait for a year.
    monkeypatch.setattr(webhook_queue.time, "time", lambda: real() - 365 * 86_400)
    assert [later.attempts for later in store.due_deliveries()] == [1]
    store.remove_delivery(owed.id)
    assert store.due_deliveries() == []


def test_a_training_and_its_version_appear_together(store: Store) -> None:
    store.add_job(job("t", kind="training", destination="me/style"), limit=10)
    store.begin("t")
    version = Version("f" * 64, "me", "style", "style", training="t")
    store.finish("t", "succeeded", output={"files": ["weights.tar"]}, version=version)
    [found] = store.versions("me", "style")
    assert replace(found, sequence=0) == version
    assert store.version("f" * 64) == found
    assert store.all_versions() == [found]
    assert store.version("0" * 64) is None
    assert store.remove_version("f" * 64)
    assert not store.remove_version("f" * 64)


def test_files_are_remembered(store: Store) -> None:
    files = [
        StoredFile(f"f{n}", "songs.zip", "application/zip", 5, "0" * 64, {"n": n}) for n in range(3)
    ]
    kept = [store.add_file(file) for file in files]
    assert store.file("f1") == kept[1]
    assert [file.id for file in store.files(limit=2)] == ["f2", "f1"]
    assert [file.id for file in store.files(before=kept[1].sequence)] == ["f0"]
    assert store.remove_file("f1")
    assert not store.remove_file("f1")
    assert store.file("f1") is None


def test_tokens_are_kept_as_digests_and_revoked(store: Store) -> None:
    store.add_token(Token("laptop", "0" * 64))
    with pytest.raises(DuplicateError, match="laptop"):
        store.add_token(Token("laptop", "1" * 64))
    assert [token.name for token in store.tokens()] == ["laptop"]
    assert store.remove_token("laptop")
    assert not store.remove_token("laptop")


def test_a_secret_stays_whoever_asks_first(store: Store) -> None:
    name, made = new_id(), []

    def ask() -> None:
        made.append(store.secret(name, new_id))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_data_can_be_removed_and_the_record_stays(store: Store) -> None:
    store.add_job(job(), limit=10)
    assert store.remove_data("a").input  # it has not ended
    store.finish("a", "succeeded", output={"files": ["x.wav"]})
    assert [ended.id for ended in store.list_ended(10)] == ["a"]
    removed = store.remove_data("a")
    assert (removed.data_removed, removed.input, removed.output) == (True, {}, None)
    assert store.list_ended(10) == []
    store.delete_job("a")
    assert store.job("a") is None


def test_a_long_log_loses_its_middle(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LONGEST_LOG", 500)
    store.add_job(job(), limit=10)
    for number in range(100):
        store.log("a", f"line {number}\n")
    found = store.job("a")
    assert found is not None
    assert len(found.logs) <= 500
    assert found.logs.startswith("line 0\n")
    assert found.logs.endswith("line 99\n")
    assert found.logs.count("cut here") == 1


def test_many_threads_at_once(store: Store) -> None:
    faults: list[BaseException] = []

    def live(number: int) -> None:
        try:
            for turn in range(5):
                id = f"{number}-{turn}"
                store.add_job(job(id, webhook="https://x"), limit=1000)
                store.begin(id)
                store.log(id, "line\n")
                store.finish(id, "succeeded", output={"files": []})
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert store.counts() == {("prediction", "succeeded"): 30}
    assert store.count_deliveries() == 30 * 4


KILLED = """
import sys
from songloom.jobs.store.records import Job
from songloom.jobs.store.store import Store
store = Store(sys.argv[1])
for number in range(100_000):
    id = f"k{number}"
    store.add_job(Job(id, "prediction", "cog", {}, "nano", webhook="https://x"), limit=10**9)
    print(id, flush=True)
    if number % 2:
        store.finish(id, "failed", error="no")
        print("ended", id, flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_it_was_told(url: str, store: Store) -> None:
    command = [sys.executable, "-c", KILLED, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().split() for _ in range(40)]
        os.kill(process.pid, signal.SIGKILL)
        told += [line.split() for line in process.stdout.read().splitlines(keepends=True)
                 if line.endswith("\n")]  # fmt: skip
    for words in told:
        found = store.job(words[-1])
        assert found is not None
        assert found.ended or words[0] != "ended"
    ended = [words[1] for words in told if words[0] == "ended"]
    assert {owed.job.id for owed in store.due_deliveries(10**6)} >= set(ended)


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'songloom.db'}")
    store.add_job(job(), limit=10)
    with store._engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    large = {"prompt": "x" * 2_000_000}
    with pytest.raises(OutputError, match=r"full.*room on its disk"):
        store.add_job(job("large", input=large), limit=10)
    assert store.job("a") is not None
    store.close()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'songloom.db'}"
    store = Store(url)
    with transaction(store._engine) as connection:
        connection.execute(text("UPDATE facts SET value = '99' WHERE name = 'schema_version'"))
    store.close()
    with pytest.raises(OutputError, match="of version 99"):
        Store(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "must be a URL"),
        ("sqlite://", "name a file"),
        ("sqlite:////proc/no/such/folder/x.db", "can't be made"),
        ("postgresql+psycopg://u@/x?host=/nowhere", "can't be used"),
    ],
)
def test_databases_that_cannot_be(url: str, words: str) -> None:
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(OutputError, match=words):
        Store(url)


def test_a_password_is_not_told() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(OutputError) as raised:
        Store("postgresql+psycopg://u:s3cret@/x?host=/nowhere")
    assert "s3cret" not in str(raised.value)


class Queue(RuleBasedStateMachine):
    """Whatever happens in whatever order, jobs wait in the order in which they were accepted."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(f"sqlite:///{self.folder.name}/songloom.db")
        self.states: dict[str, str] = {}
        self.asked: set[str] = set()
        """Jobs that run although someone asked for their end."""

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule()
    def accept(self) -> None:
        id = str(len(self.states))
        self.store.add_job(job(id), limit=10**6)
        self.states[id] = "starting"

    @precondition(lambda self: self.states)
    @rule(
        choice=st.integers(0, 10**6),
        act=st.sampled_from(["begin", "put_back", "finish", "request_cancel"]),
    )
    def change(self, choice: int, act: str) -> None:
        id = str(choice % len(self.states))
        before = self.states[id]
        calls: dict[str, Callable[[], Job | None]] = {
            "begin": lambda: self.store.begin(id),
            "put_back": lambda: self.store.requeue(id),
            "finish": lambda: self.store.finish(id, "failed"),
            "request_cancel": lambda: self.store.request_cancel(id),
        }
        after = calls[act]()
        assert after is not None
        if before not in ENDED:
            cancelled = "canceled" if before == "starting" else before
            self.states[id] = {
                "begin": "processing",
                "put_back": "canceled" if id in self.asked else "starting",
                "finish": "failed",
                "request_cancel": cancelled,
            }[act]
            if act == "request_cancel":
                self.asked.add(id)
        assert after.status == self.states[id]

    @invariant()
    def waits_in_order(self) -> None:
        waiting = [id for id, state in self.states.items() if state == "starting"]
        assert [job.id for job in self.store.list_waiting(10**6)] == waiting


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
