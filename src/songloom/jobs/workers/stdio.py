"""A worker process's ends of its stdio: commands in, events out."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn

from songloom.jobs.messages import Command, WorkEvent, decode_command, encode

COURTESY = 10
"""How much lower the priority of a background process is, as `nice` counts."""
ABANDONED = 3
"""Exit code of a worker whose server is gone."""


class Stdio:
    """Takes standard input and output for messages; whatever else prints goes to standard error."""

    def __init__(self) -> None:
        # Terminals and service managers send these to all processes of a server, which ends its
        # workers itself: what they work on must not look as if it had failed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # libraries that print must not print among the events
        sys.stdout = sys.stderr
        self._lock = threading.Lock()

    def tell(self, event: WorkEvent) -> None:
        """Send an event; from any thread."""
        self.send(encode(event))

    def send(self, line: bytes) -> None:
        """Send a line, its end included; from any thread."""
        with self._lock:
            try:
                self._out.write(line)
                self._out.flush()
            except OSError:  # nobody is there any more to whom that could be said
                os._exit(ABANDONED)

    def send_json(self, message: Mapping[str, Any]) -> None:
        """Send a message as a line of JSON; from any thread."""
        self.send(json.dumps(message).encode() + b"\n")

    def listen(self, receive: Callable[[Command], None]) -> None:
        """Have every command from now on handed to `receive`, in a thread of its own."""
        self.read(lambda line: receive(decode_command(line)))

    def read(self, receive: Callable[[bytes], None]) -> None:
        """The same for lines that are no commands."""
        threading.Thread(target=self._read, args=(receive,), daemon=True).start()

    def lower_priority(self) -> None:
        """Let other processes go first, where the system can."""
        with suppress(AttributeError, OSError):
            os.nice(COURTESY)

    def answer(self, reply: Callable[[Any], Mapping[str, Any]], fault: str) -> NoReturn:
        """Answer one line of JSON with another, for ever; for the main thread.

        Args:
            reply: the answer to a question.
            fault: the `error` of the answer where that raised, which the log explains.
        """
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.read(lines.put)
        while True:
            question = json.loads(lines.get())
            try:
                answer = reply(question)
            except Exception:
                traceback.print_exc()
                answer = {"error": fault}
            self.send_json(answer)

    def _read(self, receive: Callable[[bytes], None]) -> None:
        # Not `sys.stdin`: a process that ends while a thread holds its lock is a fatal error.
        with suppress(OSError), os.fdopen(os.dup(0), "rb") as commands:
            for line in commands:
                receive(line)
        # The server is gone, even if it was killed. Its next process runs the work again, from the
        # last state that was saved; until then nothing must be in its way.
        os._exit(ABANDONED)
