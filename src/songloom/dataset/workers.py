"""Several songs at the same time, each in a process of its own.

The processes are Python's own, started by name and spoken to through pipes. Those of
`multiprocessing` import the caller's script anew, which then starts from its beginning unless its
writer knew to guard it; and one that dies there takes the whole pool along, where here a file that
crashes a decoder is one song that is skipped.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, Any, Self

from songloom.dataset.token_store import Cancel, Record
from songloom.dataset.work import Setup, Task, Tools
from songloom.errors import AudioError, Cancelled

LISTEN_SECONDS = 0.1
"""How often a running preparation asks whether it is to be stopped."""

Outcome = tuple[Task, Record | AudioError]


def prepare_here(tools: Tools, tasks: Sequence[Task], cancelled: Cancel) -> Iterator[Outcome]:
    """Prepare songs one after the other in this process.

    Raises:
        SongloomError: anything but a song of no use, which is an outcome.
    """
    for task in tasks:
        try:
            yield task, tools.prepare(task, cancelled)
        except AudioError as error:
            yield task, error


def prepare_apart(
    setup: Setup, tasks: Sequence[Task], processes: int, cancelled: Cancel
) -> Iterator[Outcome]:
    """Prepare songs in several processes, which end with this iterator; in the order of finishing.

    Raises:
        SongloomError: anything but a song of no use, which is an outcome.
        Cancelled: `cancelled` says so.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    finished: queue.SimpleQueue[tuple[Task, Record | Exception]] = queue.SimpleQueue()
    workers = [_Worker(setup, waiting, finished) for _ in range(min(processes, len(tasks)))]
    try:
        for _ in tasks:
            outcome = None
            while outcome is None:
                if cancelled():
                    raise Cancelled("the preparation was stopped; start it again to go on")
                outcome = _next(finished)
            task, result = outcome
            if isinstance(result, Exception) and not isinstance(result, AudioError):
                raise result
            yield task, result
    finally:
        for worker in workers:
            worker.stop()


def _next(finished: queue.SimpleQueue[Any]) -> Any:
    with suppress(queue.Empty):
        return finished.get(timeout=LISTEN_SECONDS)
    return None


class _Worker:
    """A thread that feeds a process of its own with songs, and replaces it when it dies."""

    def __init__(
        self,
        setup: Setup,
        waiting: queue.SimpleQueue[Task],
        finished: queue.SimpleQueue[tuple[Task, Record | Exception]],
    ) -> None:
        self._setup, self._waiting, self._finished = setup, waiting, finished
        self._stopped = False
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the process, whatever it does: all that it writes appears whole or not at all."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.end()
        self._thread.join()

    def _run(self) -> None:
        with suppress(queue.Empty):
            while not self._stopped:
                task = self._waiting.get_nowait()
                result = self._prepare_one(task)
                if not self._stopped:
                    self._finished.put((task, result))

    def _prepare_one(self, task: Task) -> Record | Exception:
        try:
            with self._lock:
                if self._stopped:
                    return Cancelled("stopped")
                self._process = self._process or _Process(self._setup)
            return self._process.prepare(task)
        # A pipe that is closed in the midst of an answer gives a ValueError of Python's own.
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            code = None if self._process is None else self._process.exit_code()
            self._process = None
            if code == 1:  # Python's own end after an error, which is none of the song's
                return RuntimeError("a process that prepares songs could not run; see above")
            return AudioError(
                f"{str(task.source)!r} ended the process that decoded it (exit code {code}): "
                "expected a song; convert it to wav, or leave it out"
            )


class _Process:
    """A Python that runs this module."""

    def __init__(self, setup: Setup) -> None:
        # One thread for each: songs, not parts of them, are what is shared among the cores.
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "songloom.dataset.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C is for the process that commands
        )
        pickle.dump(setup, self._in)
        self._in.flush()

    @property
    def _in(self) -> IO[bytes]:
        assert self._popen.stdin is not None
        return self._popen.stdin

    def prepare(self, task: Task) -> Record | Exception:
        """Send a song, wait for the outcome; raises EOFError or OSError if the process dies."""
        pickle.dump(task, self._in)
        self._in.flush()
        assert self._popen.stdout is not None
        result: Record | Exception = pickle.load(self._popen.stdout)
        return result

    def exit_code(self) -> int:
        """How the process ended, which it has or is about to."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=5)
        self.end()
        return self._popen.returncode

    def end(self) -> None:
        """End the process."""
        self._popen.kill()  # does nothing to one that has ended
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()


def main() -> None:
    """Prepare songs that come through standard input, until it ends."""
    with _Pipes() as pipes:
        import torch

        torch.set_num_threads(1)
        setup: Setup = pickle.load(pipes.commands)
        tools: Tools | None = None
        with suppress(EOFError, BrokenPipeError):
            while True:
                task: Task = pickle.load(pipes.commands)
                result: Record | Exception
                try:
                    tools = tools or Tools(setup)
                    result = tools.prepare(task, cancelled=lambda: False)
                except Exception as error:  # whatever it is, the other side raises it
                    result = _make_sendable(error)
                pickle.dump(result, pipes.results)
                pipes.results.flush()


class _Pipes:
    """Standard input and output, taken from whatever else would read or print."""

    def __enter__(self) -> Self:
        self.commands = os.fdopen(os.dup(0), "rb")
        self.results = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # what a library prints goes to standard error
        return self

    def __exit__(self, *_: object) -> None:
        self.commands.close()
        with suppress(BrokenPipeError):
            self.results.close()


def _make_sendable(error: Exception) -> Exception:
    """The error as it can be sent, with the place where it happened."""
    import traceback

    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


if __name__ == "__main__":
    main()
