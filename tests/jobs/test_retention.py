"""Removing what is old, or too much."""

import asyncio
import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from songloom.errors import OutputError
from songloom.jobs import retention as retention_module
from songloom.jobs import trash as trash_module
from songloom.jobs.retention import Retention
from songloom.jobs.store.records import StoredFile, now
from songloom.jobs.store.store import Store
from songloom.jobs.trash import Bin
from tests.jobs.samples import job
from tests.waiting import PATIENCE

DAY = timedelta(days=1)


class House:
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
def house(tmp_path: Path):  # type: ignore[no-untyped-def]
    house = House(tmp_path)
    yield house
    house.store.close()


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Let the clock that ages are told by say so much more."""
    monkeypatch.setattr(retention_module, "now", lambda: now() + by)


def test_what_is_old_goes_and_its_record_stays(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.ended_job("ended")
    house.job("waits")
    house.job("runs")
    house.store.begin("runs")
    house.upload("old", now())
    house.upload("new", now() + 2 * DAY)
    retention = house.retention(days=3)
    assert retention.sweep() == 0
    later(monkeypatch, 4 * DAY)
    assert retention.sweep() == 2
    assert house.left() == {"waits", "runs", "new"}
    removed = house.store.job("ended")
    assert removed is not None
    assert (removed.status, removed.data_removed, removed.output) == ("succeeded", True, None)
    assert retention.sweep() == 0


def test_more_than_a_page_of_old_files_goes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "_AT_ONCE", 2)
    for number in range(5):
        house.upload(f"f{number}", now() - 5 * DAY)
        house.ended_job(f"j{number}", created_at=now() - 5 * DAY)
    house.job("waits", input={"input_audio": "http://host/v1/files/f2"})
    later(monkeypatch, 4 * DAY)
    assert house.retention(days=3).sweep() == 9
    assert house.left() == {"f2", "waits"}  # the waiting job needs that file


def test_the_oldest_goes_until_the_rest_fits(house: House) -> None:
    start = now() - 10 * DAY
    house.upload("f0", start)
    house.ended_job("j1", created_at=start + DAY)
    house.ended_job("j2", created_at=start + 2 * DAY)
    house.upload("f3", start + 3 * DAY)
    house.ended_job("j4", created_at=start + 4 * DAY)
    assert house.retention(size=5000).sweep() == 0
    assert house.retention(size=2999).sweep() == 3
    assert house.left() == {"f3", "j4"}


def test_what_waits_or_runs_is_not_removed_for_its_size(house: House) -> None:
    house.upload("needed", now())
    house.upload("not", now())
    house.job("waits", input={"dataset_path": "http://host/v1/files/needed"})
    assert house.retention(size=1).sweep() == 1
    assert house.left() == {"needed", "waits"}


def test_a_clock_that_jumps_removes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.ended_job("a")
    wall, steady = retention_module.time.time(), 1000.0
    monkeypatch.setattr(retention_module.time, "time", lambda: wall)
    monkeypatch.setattr(retention_module, "_steady", lambda: steady)
    retention = house.retention(days=3)
    wall, steady = wall + 365 * 86_400, steady + 600
    later(monkeypatch, 365 * DAY)
    assert retention.sweep() == 0
    wall, steady = wall + 3600, steady + 3600  # it goes on as time does, but may still be wrong
    assert retention.sweep() == 0
    wall, steady = wall + 86_400, steady + 86_400
    assert retention.sweep() == 1


def test_a_fault_does_not_end_the_sweeping(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "SWEEP_SECONDS", 0.001)
    retention = house.retention(days=3)
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


def test_weights_that_nobody_used_for_long_go(house: House) -> None:
    for name, age in (("old", 10 * 86_400), ("new", 60)):
        entry = house.jobs.parent / "weights" / name
        entry.mkdir(parents=True)
        (entry / "weights.tar").write_bytes(bytes(1000))
        os.utime(entry, (time.time() - age,) * 2)
    weights = house.jobs.parent / "weights"
    assert house.retention(days=20).sweep() == 0
    assert house.retention(days=5).sweep() == 1
    assert [entry.name for entry in weights.iterdir()] == ["new"]
    assert house.retention(size=10).sweep() == 0  # it may be in use
    os.utime(weights / "new", (time.time() - 7200,) * 2)
    assert house.retention(size=10).sweep() == 1


def test_the_bin_is_looked_after_whatever_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.ended_job("kept")
    house.ended_job("binned")
    house.store.collection.delete("binned")
    sweep = Bin(house.store, lambda id: house.jobs / id).sweep
    retention = house.retention(sweep_bin=sweep)
    assert retention.sweep() == 0
    monkeypatch.setattr(trash_module, "now", lambda: now() + 31 * DAY)
    assert retention.sweep() == 1
    assert house.store.job("binned") is None
    assert house.store.job("kept") is not None


def test_what_a_killed_server_left_half_is_removed_at_the_start(house: House) -> None:
    house.ended_job("a")
    made = house.jobs / "a" / "made"
    made.mkdir()
    (made / "output.wav.json").write_bytes(b"{}")
    left = made / ".0123456789abcdef.part"
    left.write_bytes(b"half of an outline")
    os.utime(left, (0, 0))

    async def begin() -> None:
        running = asyncio.create_task(house.retention(unfinished=(house.jobs,)).run())
        async with asyncio.timeout(PATIENCE):
            while left.exists():
                await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(begin())
    assert [path.name for path in made.iterdir()] == ["output.wav.json"]
