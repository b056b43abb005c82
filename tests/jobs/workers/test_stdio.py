"""The ends of a worker's stdio, when the server at the other end is gone."""

import signal
import subprocess
import sys

import pytest

from songloom.jobs.workers.stdio import ABANDONED

TALKS = """
import threading, time
from songloom.jobs.messages import Logged
from songloom.jobs.workers.stdio import Stdio

stdio = Stdio()
stdio.tell(Logged("a", "ready"))
{rest}
"""


def ended(rest: str, *, closes: bool) -> tuple[int, str]:
    """Exit code and last words of a process whose server is killed, or only stops to listen."""
    process = subprocess.Popen(
        [sys.executable, "-c", TALKS.format(rest=rest)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    assert b"ready" in process.stdout.readline()
    process.stdout.close()
    if closes:
        process.stdin.close()
    code = process.wait(30)
    said = process.stderr.read().decode()
    process.stderr.close()
    process.stdin.close()
    return code, said


def test_who_speaks_to_nobody_ends_without_a_word() -> None:
    code, said = ended(
        "while True:\n    stdio.tell(Logged('a', 'x' * 1000))\n    time.sleep(0.001)", closes=False
    )
    assert (code, said) == (ABANDONED, "")


def test_who_speaks_in_a_thread_ends_as_well() -> None:
    talk = "lambda: [stdio.tell(Logged('a', 'x')) for _ in iter(int, 1)]"
    code, said = ended(
        f"threading.Thread(target={talk}).start()\nstdio.listen(print)\ntime.sleep(60)",
        closes=True,
    )
    assert (code, said) == (ABANDONED, "")


def test_a_process_may_end_while_it_listens() -> None:
    """Its thread waits for commands meanwhile, and holds no lock that Python's end needs."""
    code, said = ended("stdio.listen(print)\ntime.sleep(0.2)", closes=False)
    assert (code, said) == (0, "")


def test_an_error_is_told_and_ends_it() -> None:
    code, said = ended("stdio.listen(print)\ntime.sleep(0.2)\nraise ValueError('x')", closes=False)
    assert code == 1
    assert said.strip().endswith("ValueError: x")
    assert "Fatal" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_for_the_server_are_left_to_it(number: int) -> None:
    """systemd stops all processes of a service at once, a terminal interrupts all of a command."""
    code, said = ended(
        f"stdio.listen(print)\nimport os\nos.kill(os.getpid(), {int(number)})\ntime.sleep(0.2)",
        closes=False,
    )
    assert (code, said) == (0, "")
