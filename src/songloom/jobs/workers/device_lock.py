"""Turns on a device: a training and the predictions beside it, in whatever processes they are.

Locks of files, since the system frees them when a process dies, however it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

POLL_SECONDS = 0.01


class Turns:
    """One process's part in sharing a device.

    Whoever waits holds the place at the door, so that the one who has just had a turn, and wants
    the next at once, stands behind.

    Args:
        folder: of the locks, the same for all who share.
        device: its name.
    """

    def __init__(self, folder: Path, device: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = device.replace(":", "-")
        self._door = FileLock(folder / f"{name}.next.lock")
        self._device = FileLock(folder / f"{name}.turn.lock")

    def take(self) -> None:
        """Wait for the device, and have it."""
        self._door.acquire(poll_interval=POLL_SECONDS)
        try:
            self._device.acquire(poll_interval=POLL_SECONDS)
        finally:
            self._door.release()

    def give(self) -> None:
        """Let others have the device."""
        self._device.release()

    def offer(self) -> None:
        """Let others have a turn if they wait for one, then go on."""
        if self._someone_waits():
            self.give()
            self.take()

    def held_elsewhere(self) -> bool:
        """Whether another process has the device at the moment."""
        try:
            self._device.acquire(timeout=0)
        except Timeout:
            return True
        self._device.release()
        return False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the device for as long as the block lasts."""
        self.take()
        try:
            yield
        finally:
            self.give()

    def _someone_waits(self) -> bool:
        try:
            self._door.acquire(timeout=0)
        except Timeout:
            return True
        self._door.release()
        return False
