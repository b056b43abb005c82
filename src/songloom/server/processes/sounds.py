"""Outlines and other formats of sounds, made by a process of its own when they are first asked for.

The server itself decodes nothing. The process is started when it is needed, and ended when it has
not been for a while.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from songloom.errors import AudioError, OutputError
from songloom.jobs.child_process import ChildProcess
from songloom.jobs.paths import derived_path
from songloom.request import OutputFormat

IDLE_SECONDS = 120.0
"""How long the process waits for more before it is ended."""
PATIENCE = 120.0
"""Seconds that one request may take."""
_LOG = logging.getLogger(__name__)


class Sounds:
    """Makes files of sounds, each once."""

    def __init__(self) -> None:
        self._process: ChildProcess | None = None
        self._reader: asyncio.Task[None] | None = None
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[str | None]] = {}
        self._making: dict[Path, asyncio.Task[None]] = {}
        self._starting = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def outline(self, sound: Path) -> Path:
        """A file of JSON with a sound's `seconds`, `peaks` and `rms`.

        Raises:
            AudioError: the sound can't be read.
            OutputError: the file can't be written.
        """
        return await self._get_or_make("draw", sound, derived_path(sound, "json"))

    async def read_outline(self, sound: Path) -> dict[str, Any]:
        """A sound's `seconds`, `peaks` and `rms`, which are not kept.

        Raises:
            AudioError: the sound can't be read.
            OutputError: the disk refuses.
        """
        with TemporaryDirectory(prefix="songloom-") as folder:
            path = await self._get_or_make("draw", sound, Path(folder, "outline.json"))
            found: dict[str, Any] = json.loads(await asyncio.to_thread(path.read_bytes))
        return found

    async def convert(self, sound: Path, format: OutputFormat) -> Path:
        """The sound in a format: itself where it is in that.

        Raises:
            AudioError: the sound can't be read.
            OutputError: it can't be written, or not in that format.
        """
        if sound.suffix == f".{format}":
            return sound
        return await self._get_or_make("convert", sound, derived_path(sound, format))

    async def close(self) -> None:
        """End the process; requests that wait for it fail."""
        process, reader = self._process, self._reader
        if self._idle is not None:
            self._idle.cancel()
        self._forget("the server stops")
        if process is not None:
            process.kill()
            await process.wait()
        if reader is not None:
            await reader

    async def _get_or_make(
        self, task: Literal["draw", "convert"], sound: Path, target: Path
    ) -> Path:
        """The target, made if it is not there; whoever asks for it meanwhile waits for the same."""
        if await asyncio.to_thread(target.is_file):
            return target
        making = self._making.get(target)
        if making is None:
            making = self._making[target] = asyncio.create_task(self._make(task, sound, target))
            making.add_done_callback(lambda done: self._is_made(target, done))
        await asyncio.shield(making)  # one that gives up does not take it from the others
        return target

    def _is_made(self, target: Path, done: asyncio.Task[None]) -> None:
        self._making.pop(target, None)
        if not done.cancelled():
            done.exception()  # seen, even if nobody waits for it any more

    async def _make(self, task: str, sound: Path, target: Path) -> None:
        if not await asyncio.to_thread(sound.is_file):
            raise AudioError(f"the sound {sound.name!r} is not here any more; make it again")
        try:
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"what is made of {sound.name!r} can't be written ({error.strerror}); free some "
                "room on the server"
            ) from error
        fault = await self._ask(task, sound, target)
        if fault is not None:  # the server's folders are no business of its clients
            raise AudioError(fault.replace(f"{sound.parent}{os.sep}", ""))

    async def _ask(self, task: str, sound: Path, target: Path) -> str | None:
        """Have the process do something; what it could not do, if so."""
        process = await self._get_process()
        number = next(self._numbers)
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        request = {"id": number, "do": task, "source": str(sound), "target": str(target)}
        try:
            await process.send(json.dumps(request).encode() + b"\n")
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            process.kill()
            return f"{sound.name!r} could not be read in time; try again"
        finally:
            self._asked.pop(number, None)
            self._rest()

    async def _get_process(self) -> ChildProcess:
        async with self._starting:
            if self._process is None:
                command = [sys.executable, "-m", "songloom.jobs.workers.sound"]
                self._process = await ChildProcess.start(command)
                self._reader = asyncio.create_task(self._read(self._process))
            return self._process

    async def _read(self, process: ChildProcess) -> None:
        """Pass on answers until the process ends, for whatever reason."""
        async for line in process.lines():
            told = json.loads(line)
            waiting = self._asked.get(told["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(told["error"])
        code = await process.wait()
        if self._process is process:
            if self._asked:
                _LOG.warning("the process that reads sounds ended (%s)", code)
            self._forget("the process that read the sound ended; try another sound, or again")

    def _forget(self, reason: str) -> None:
        self._process = self._reader = None
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_result(reason)

    def _rest(self) -> None:
        """End the process some time after it was last needed."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_if_idle)

    def _end_if_idle(self) -> None:
        process = self._process
        if process is not None and not self._asked:
            self._process = None
            process.close_input()
