"""Removing what is old, or too much."""

import asyncio
import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from songloom import clock
from songloom.clock import utc_now
from songloom.errors import OutputError
from songloom.jobs import retention as retention_module
from songloom.jobs import trash as trash_module
from songloom.jobs.retention import Retention
from songloom.jobs.store.records import StoredFile
from songloom.jobs.store.store import Store
from songloom.jobs.trash import Trash
from tests.jobs.samples import job
from tests.waiting import PATIENCE

DAY = timedelta(days=1)


class Harness:
    """A store with its folders; each job and each upload takes 1,000 bytes."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder / 'songloom.db'}")
        self.jobs, self.files = folder / "jobs", folder / "files"
        self.files.mkdir()

    def retention(
        self, days: float | None = None, size: int | None = None, **options: Any
    ) -> Retention:
        return Retention(
            self.store,
            self.jobs,
            lambda id: self.jobs / id,
            lambda id: (self.files / id).unlink(missing_ok=True),
            self.files,
            caches=(self.jobs.parent / "weights", self.jobs.parent / "none"),
            keep_days=days,
            keep_bytes=size,
            **options,
        )

    def job(self, id: str, **fields: object) -> None:
        self.store.add_job(job(id, **fields), limit=100)
        (self.jobs / id / "inputs").mkdir(parents=True)
        (self.jobs / id / "inputs" / "a.wav").write_bytes(bytes(400))
        (self.jobs / id / "output.wav").write_bytes(bytes(600))

    def ended_job(self, id: str, **fields: object) -> None:
        self.job(id, **fields)
        self.store.finish(id, "succeeded", output={"files": ["output.wav"]})

    def upload(self, id: str, created_at: datetime) -> None:
        file = StoredFile(id, "a.wav", "audio/wav", 1000, "0" * 64, created_at=created_at)
        self.store.add_file(file)
        (self.files / id).write_bytes(bytes(1000))

    def left(self) -> set[str]:
        """Ids of the jobs and the uploads whose bytes are there, which are those with data."""
        on_disk = {path.name for folder in (self.jobs, self.files) for path in folder.iterdir()}
        known = {known.id for known in self.store.jobs("prediction") if not known.data_removed}
        assert on_disk == known | {file.id for file in self.store.files()}
        return on_disk


@pytest.fixture
def harness(tmp_path: Path):  # type: ignore[no-untyped-def]
    harness = Harness(tmp_path)
    yield harness
    harness.store.close()


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Let the clock that ages are told by say so much more."""
    monkeypatch.setattr(retention_module, "utc_now", lambda: utc_now() + by)


def test_what_is_old_goes_and_its_record_stays(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.ended_job("ended")
    harness.job("waits")
    harness.job("runs")
    harness.store.begin("runs")
    harness.upload("old", utc_now())
    harness.upload("new", utc_now() + 2 * DAY)
    retention = harness.retention(days=3)
    assert retention.sweep() == 0
    later(monkeypatch, 4 * DAY)
    assert retention.sweep() == 2
    assert harness.left() == {"waits", "runs", "new"}
    removed = harness.store.job("ended")
    assert removed is not None
    assert (removed.status, removed.data_removed, removed.output) == ("succeeded", True, None)
    assert retention.sweep() == 0


def test_more_than_a_page_of_old_files_goes(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "_AT_ONCE", 2)
    for number in range(5):
        harness.upload(f"f{number}", utc_now() - 5 * DAY)
        harness.ended_job(f"j{number}", created_at=utc_now() - 5 * DAY)
    harness.job("waits", input={"input_audio": "http://host/v1/files/f2"})
    later(monkeypatch, 4 * DAY)
    assert harness.retention(days=3).sweep() == 9
    assert harness.left() == {"f2", "waits"}  # the waiting job needs that file


def test_the_oldest_goes_until_the_rest_fits(harness: Harness) -> None:
    start = utc_now() - 10 * DAY
    harness.upload("f0", start)
    harness.ended_job("j1", created_at=start + DAY)
    harness.ended_job("j2", created_at=start + 2 * DAY)
    harness.upload("f3", start + 3 * DAY)
    harness.ended_job("j4", created_at=start + 4 * DAY)
    assert harness.retention(size=5000).sweep() == 0
    assert harness.retention(size=2999).sweep() == 3
    assert harness.left() == {"f3", "j4"}


def test_what_waits_or_runs_is_not_removed_for_its_size(harness: Harness) -> None:
    harness.upload("needed", utc_now())
    harness.upload("not", utc_now())
    harness.job("waits", input={"dataset_path": "http://host/v1/files/needed"})
    assert harness.retention(size=1).sweep() == 1
    assert harness.left() == {"needed", "waits"}


def test_a_clock_that_jumps_removes_nothing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.ended_job("a")
    wall, steady = retention_module.time.time(), 1000.0
    monkeypatch.setattr(retention_module.time, "time", lambda: wall)
    monkeypatch.setattr(clock, "uptime_seconds", lambda: steady)
    retention = harness.retention(days=3)
    wall, steady = wall + 365 * 86_400, steady + 600
    later(monkeypatch, 365 * DAY)
    assert retention.sweep() == 0
    wall, steady = wall + 3600, steady + 3600  # it goes on as time does, but may still be wrong
    assert retention.sweep() == 0
    wall, steady = wall + 86_400, steady + 86_400
    assert retention.sweep() == 1


def test_a_fault_does_not_end_the_sweeping(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "SWEEP_SECONDS", 0.001)
    retention = harness.retention(days=3)
    outcomes = iter([OutputError("the disk refuses"), OSError("it does"), 0])
    swept = asyncio.Event()

    def sweep() -> int:
        outcome = next(outcomes, 0)
        if isinstance(outcome, Exception):
            raise outcome
        loop.call_soon_threadsafe(swept.set)
        return outcome

    async def run() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(retention.run())
        await asyncio.wait_for(swept.wait(), PATIENCE)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    loop: asyncio.AbstractEventLoop
    monkeypatch.setattr(retention, "sweep", sweep)
    asyncio.run(run())
    assert next(outcomes, None) is None


def test_weights_that_nobody_used_for_long_go(harness: Harness) -> None:
    for name, age in (("old", 10 * 86_400), ("new", 60)):
        entry = harness.jobs.parent / "weights" / name
        entry.mkdir(parents=True)
        (entry / "weights.tar").write_bytes(bytes(1000))
        os.utime(entry, (time.time() - age,) * 2)
    weights = harness.jobs.parent / "weights"
    assert harness.retention(days=20).sweep() == 0
    assert harness.retention(days=5).sweep() == 1
    assert [entry.name for entry in weights.iterdir()] == ["new"]
    assert harness.retention(size=10).sweep() == 0  # it may be in use
    os.utime(weights / "new", (time.time() - 7200,) * 2)
    assert harness.retention(size=10).sweep() == 1


def test_the_bin_is_looked_after_whatever_is_kept(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.ended_job("kept")
    harness.ended_job("binned")
    harness.store.library.delete("binned")
    sweep = Trash(harness.store, lambda id: harness.jobs / id).sweep
    retention = harness.retention(sweep_trash=sweep)
    assert retention.sweep() == 0
    monkeypatch.setattr(trash_module, "utc_now", lambda: utc_now() + 31 * DAY)
    assert retention.sweep() == 1
    assert harness.store.job("binned") is None
    assert harness.store.job("kept") is not None


def test_what_a_killed_server_left_half_is_removed_at_the_start(harness: Harness) -> None:
    harness.ended_job("a")
    made = harness.jobs / "a" / "made"
    made.mkdir()
    (made / "output.wav.json").write_bytes(b"{}")
    left = made / ".0123456789abcdef.part"
    left.write_bytes(b"half of an outline")
    os.utime(left, (0, 0))

    async def begin() -> None:
        running = asyncio.create_task(harness.retention(unfinished=(harness.jobs,)).run())
        async with asyncio.timeout(PATIENCE):
            while left.exists():
                await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(begin())
    assert [path.name for path in made.iterdir()] == ["output.wav.json"]
