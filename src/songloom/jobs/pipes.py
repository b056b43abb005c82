"""A worker process's ends of its pipes: commands in, events out."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from songloom.jobs.executor import WorkEvent
from songloom.jobs.wire import Command, decode_command, encode

ABANDONED = 3
"""Exit code of a worker whose server is gone."""


class Pipes:
    """Takes standard input and output for messages; whatever else prints goes to standard error."""

    def __init__(self) -> None:
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # libraries that print must not print among the events
        sys.stdout = sys.stderr
        self._lock = threading.Lock()

    def tell(self, event: WorkEvent) -> None:
        """Send an event; from any thread."""
        with self._lock:
            self._out.write(encode(event))
            self._out.flush()

    def listen(self, heard: Callable[[Command], None]) -> None:
        """Have every command from now on handed to `heard`, in a thread of its own."""
        threading.Thread(target=self._read, args=(heard,), daemon=True).start()

    def _read(self, heard: Callable[[Command], None]) -> None:
        for line in sys.stdin.buffer:
            heard(decode_command(line))
        # The server is gone, even if it was killed. Its next process runs the work again, from the
        # last state that was saved; until then nothing must be in its way.
        os._exit(ABANDONED)
