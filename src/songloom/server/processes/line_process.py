"""A process that answers one line of JSON with another, started when it is first asked."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from songloom.errors import SongloomError
from songloom.jobs.child_process import ChildProcess

IDLE_SECONDS = 60.0
"""How long a process waits for more before it is ended: it has some hundred megabytes."""
END_SECONDS = 2.0
"""How long a process may take to end once it has closed its output."""


class ProcessEndedError(SongloomError):
    """The process ended, or was ended, before it had answered."""


class LineProcess:
    """Asks a process, one question at a time; one that died is started anew for the next.

    Args:
        module: that the process runs.
        longest_seconds: what an answer may take.
        environment: variables that it gets beside the server's own.
    """

    def __init__(
        self, module: str, longest_seconds: float, environment: Mapping[str, str] | None = None
    ) -> None:
        self._module, self._longest = module, longest_seconds
        self._environment = dict(environment or {})
        self._process: ChildProcess | None = None
        self._asking = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a question.

        Raises:
            ProcessEndedError: there is none.
        """
        async with self._asking:
            self._stay()
            try:
                line = await self._answer(json.dumps(dict(question)).encode() + b"\n")
            except TimeoutError:
                await self.close()
                raise ProcessEndedError(
                    f"it took more than {self._longest / 60:.0f} minutes"
                ) from None
            except BaseException:
                await self.close()
                raise
            if not line:
                code = await self._exit_code()
                await self.close()
                raise ProcessEndedError(f"its process ended (exit code {code})")
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_soon)
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def close(self) -> None:
        """End the process, which holds nothing that has to be saved."""
        self._stay()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def _answer(self, question: bytes) -> bytes:
        if self._process is None:
            command = [sys.executable, "-m", self._module]
            self._process = await ChildProcess.start(command, self._environment)
        process = self._process
        await process.send(question)
        async with asyncio.timeout(self._longest):
            return await process.read_line()

    async def _exit_code(self) -> int | None:
        """The process's exit status; killing it first would lose that."""
        if self._process is None:
            return None
        with suppress(TimeoutError):  # its output may have been closed, and nothing else
            async with asyncio.timeout(END_SECONDS):
                return await self._process.wait()
        return None

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _close_soon(self) -> None:
        self._closing = asyncio.create_task(self._close_unless_asked())

    async def _close_unless_asked(self) -> None:
        if not self._asking.locked():
            async with self._asking:
                await self.close()
