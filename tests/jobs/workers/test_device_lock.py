"""Processes take device_lock on a device, and a dead one holds nothing."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from songloom.jobs.workers.device_lock import DeviceLock
from tests.waiting import PATIENCE


def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = DeviceLock(tmp_path, "cuda:0"), DeviceLock(tmp_path, "cuda:0")
    with first.hold():
        assert second.is_held_elsewhere()
    assert not second.is_held_elsewhere()


def test_devices_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with DeviceLock(tmp_path, "cuda:0").hold():
        assert not DeviceLock(tmp_path, "cuda:1").is_held_elsewhere()


def test_an_offer_lets_the_one_that_waits_go_first(tmp_path: Path) -> None:
    order: list[str] = []
    training, prediction = DeviceLock(tmp_path, "cpu"), DeviceLock(tmp_path, "cpu")

    def predict() -> None:
        with prediction.hold():
            order.append("prediction")

    with training.hold():
        thread = threading.Thread(target=predict)
        thread.start()
        ends = time.monotonic() + PATIENCE
        while not order and time.monotonic() < ends:
            training.yield_to_waiters()
            time.sleep(0.01)
        order.append("training")
    thread.join()
    assert order == ["prediction", "training"]


def test_an_offer_that_nobody_wants_costs_nothing(tmp_path: Path) -> None:
    device_lock = DeviceLock(tmp_path, "cpu")
    with device_lock.hold():
        device_lock.yield_to_waiters()
        assert DeviceLock(tmp_path, "cpu").is_held_elsewhere()


@pytest.mark.slow
def test_a_killed_process_frees_the_device(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from songloom.jobs.workers.device_lock import DeviceLock\n"
        "device_lock = DeviceLock(Path(sys.argv[1]), 'cpu')\n"
        "device_lock.acquire()\n"
        "print('taken', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        assert DeviceLock(tmp_path, "cpu").is_held_elsewhere()
        process.kill()
        process.wait()
    assert not DeviceLock(tmp_path, "cpu").is_held_elsewhere()
