"""Processes take turns on a device, and a dead one holds nothing."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from songloom.jobs.workers.device_lock import Turns
from tests.waiting import PATIENCE


def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = Turns(tmp_path, "cuda:0"), Turns(tmp_path, "cuda:0")
    with first.turn():
        assert second.held_elsewhere()
    assert not second.held_elsewhere()


def test_devices_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with Turns(tmp_path, "cuda:0").turn():
        assert not Turns(tmp_path, "cuda:1").held_elsewhere()


def test_an_offer_lets_the_one_that_waits_go_first(tmp_path: Path) -> None:
    order: list[str] = []
    training, prediction = Turns(tmp_path, "cpu"), Turns(tmp_path, "cpu")

    def predict() -> None:
        with prediction.turn():
            order.append("prediction")

    with training.turn():
        thread = threading.Thread(target=predict)
        thread.start()
        ends = time.monotonic() + PATIENCE
        while not order and time.monotonic() < ends:
            training.offer()
            time.sleep(0.01)
        order.append("training")
    thread.join()
    assert order == ["prediction", "training"]


def test_an_offer_that_nobody_wants_costs_nothing(tmp_path: Path) -> None:
    turns = Turns(tmp_path, "cpu")
    with turns.turn():
        turns.offer()
        assert Turns(tmp_path, "cpu").held_elsewhere()


@pytest.mark.slow
def test_a_killed_process_frees_the_device(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from songloom.jobs.workers.device_lock import Turns\n"
        "turns = Turns(Path(sys.argv[1]), 'cpu')\n"
        "turns.take()\n"
        "print('taken', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        assert Turns(tmp_path, "cpu").held_elsewhere()
        process.kill()
        process.wait()
    assert not Turns(tmp_path, "cpu").held_elsewhere()
