"""Songs are listened to as they come, one after the other, in a process of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from songloom.errors import AudioError, OutputError
from songloom.jobs.active_jobs import Watchers
from songloom.server.datasets.records import DatasetSong, SongDataset
from songloom.server.datasets.store import DatasetStore
from songloom.server.processes.line_process import LineProcess, ProcessEndedError

LONGEST_SECONDS = 600.0
"""Seconds that one song may take, decoding included."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Heard:
    """Analysis of a song."""

    seconds: float
    labels: Mapping[str, Any]


class Ear(Protocol):
    """Listens to songs."""

    async def listen(self, path: Path) -> Heard:
        """Listen to one song; raises `AudioError` where it is of no use."""

    async def close(self) -> None:
        """Hold nothing until the next song."""


class ProcessEar:
    """Listens in a process: what crashes a decoder is one song that fails."""

    def __init__(self) -> None:
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # music comes first
        self._process = LineProcess("songloom.jobs.workers.analysis", LONGEST_SECONDS, threads)

    async def listen(self, path: Path) -> Heard:
        """See `Ear`."""
        try:
            told = await self._process.ask({"path": str(path)})
        except ProcessEndedError as error:
            raise AudioError(
                f"it could not be listened to: {error}; expected a song: convert it to wav, or "
                "leave it out"
            ) from None
        if "error" in told:
            raise AudioError(told["error"])
        return Heard(told["seconds"], told["labels"])

    async def close(self) -> None:
        """See `Ear`."""
        await self._process.close()


class DatasetAnalysis:
    """Has every song listened to that was not yet, and tells of all that changes.

    Args:
        store: the data sets.
        ear: that listens.
    """

    def __init__(self, store: DatasetStore, ear: Ear) -> None:
        self._store, self._ear = store, ear
        self.watchers = Watchers[SongDataset | DatasetSong]()
        """Of data sets, by their ids."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        store.on_change.append(self._schedule_notify)

    async def run(self) -> None:
        """Listen for ever; what is not finished then is begun anew after a restart."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._wake.clear()
                found = self._next()
                if found is None:
                    await self._wake.wait()
                else:
                    await self._analyse(*found)
        finally:
            self._loop = None
            await asyncio.shield(self._ear.close())

    def _next(self) -> tuple[str, DatasetSong] | None:
        """A song that waits: of the newest data set, which someone is looking at."""
        for dataset in self._store.list_datasets():
            for song in dataset.songs:
                if song.status == "waiting":
                    return dataset.id, song
        return None

    async def _analyse(self, id: str, song: DatasetSong) -> None:
        await self._change(id, song, {"status": "analysing", "error": None}, keep=False)
        try:
            heard = await self._ear.listen(self._store.files(id) / song.stored)
        except AudioError as error:
            await self._change(id, song, {"status": "failed", "error": str(error)})
        else:
            labels = {name: value for name, value in heard.labels.items() if value}
            ready = {"status": "ready", "seconds": heard.seconds, "heard": labels}
            await self._change(id, song, ready)

    async def _change(
        self, id: str, song: DatasetSong, values: Mapping[str, Any], *, keep: bool = True
    ) -> None:
        """Change a song, unless it is gone, or another file is in its place."""

        def apply(now: DatasetSong) -> DatasetSong:
            return replace(now, **values) if now.sha256 == song.sha256 else now

        def change(keep: bool) -> None:
            with suppress(KeyError):
                self._store.change_song(id, song.id, apply, keep=keep)

        try:
            await asyncio.to_thread(change, keep)
        except OutputError as error:
            _LOG.warning("what was heard of a song can't be written now: %s", error)
            await asyncio.to_thread(change, False)

    def _schedule_notify(self, id: str, what: SongDataset | DatasetSong) -> None:
        """From any thread: let those know who watch, and whoever waits for songs."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._notify, id, what)

    def _notify(self, id: str, what: SongDataset | DatasetSong) -> None:
        self.watchers.notify(id, what)
        self._wake.set()
