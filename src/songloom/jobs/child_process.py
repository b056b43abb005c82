"""A helper process of the server, which exchanges lines over its standard input and output."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

LINE_LIMIT = 1 << 22
"""Bytes of the longest line that is read."""
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has but one way


class ChildProcess:
    """A running child; `start` makes one. Its other end is `workers.stdio`."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> ChildProcess:
        """Start a command.

        Args:
            command: the program and its arguments.
            environment: variables beside the server's own.

        Raises:
            OSError: it can't be started.
        """
        variables = {**os.environ, **(environment or {})}
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, limit=LINE_LIMIT, env=variables
            )
        )

    async def send(self, line: bytes) -> None:
        """Send a line, its end included; one to a process that has ended is dropped."""
        with suppress(ConnectionError, RuntimeError):
            self._stdin.write(line)
            await self._stdin.drain()

    async def read_line(self) -> bytes:
        """Read the next line; empty once the process has closed its output.

        Raises:
            ValueError: the line is longer than `LINE_LIMIT`.
        """
        return await self._stdout.readline()

    async def lines(self) -> AsyncIterator[bytes]:
        """Read lines until the process closes its output; raises as `read_line` does."""
        while line := await self.read_line():
            yield line

    def close_input(self) -> None:
        """Close the process's standard input, which makes it exit."""
        self._stdin.close()

    def kill(self) -> None:
        """Kill the process, if it still runs."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                # Not asyncio's own method: it may reap the process before asyncio does.
                os.kill(self._process.pid, _KILL)

    async def wait(self) -> int:
        """Wait until the process has ended; its exit code."""
        return await self._process.wait()
