"""A lock by which a training and predictions, in any processes, take turns on a device.

Locks of files, since the system frees them when a process dies, however it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

POLL_SECONDS = 0.01


class DeviceLock:
    """One process's handle of a device's lock.

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

    def acquire(self) -> None:
        """Wait for the device."""
        self._door.acquire(poll_interval=POLL_SECONDS)
        try:
            self._device.acquire(poll_interval=POLL_SECONDS)
        finally:
            self._door.release()

    def release(self) -> None:
        """Release the device."""
        self._device.release()

    def yield_to_waiters(self) -> None:
        """Let waiting processes have the device, if there are any, then acquire it again."""
        if self._has_waiters():
            self.release()
            self.acquire()

    def is_held_elsewhere(self) -> bool:
        """Whether another process holds the device."""
        try:
            self._device.acquire(timeout=0)
        except Timeout:
            return True
        self._device.release()
        return False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the device for as long as the block lasts."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _has_waiters(self) -> bool:
        try:
            self._door.acquire(timeout=0)
        except Timeout:
            return True
        self._door.release()
        return False
