"""Times and durations on machines whose clock may be set while they run."""

from __future__ import annotations

import time
from datetime import UTC, datetime

JUMP_SECONDS = 3600.0
"""A clock that differs by this much from the time that has passed was set, or is wrong."""
TRUST_SECONDS = 86_400.0
"""How long a clock is distrusted after it jumped."""


def utc_now() -> datetime:
    """The time by the clock, which people see, and nothing is ordered by."""
    return datetime.now(UTC)


def uptime_seconds() -> float:
    """Seconds since some moment, including those in which the machine slept; never set back."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def elapsed_seconds(start: datetime, end: datetime) -> float:
    """Seconds between two times by the clock; 0 if it was set back in between."""
    return max(0.0, (end - start).total_seconds())


class JumpDetector:
    """Compares the clock with the time that passes, to tell when it was set."""

    def __init__(self) -> None:
        self._base = time.time(), uptime_seconds()
        self._distrusted_until = 0.0

    def find_jump(self) -> float:
        """Seconds that the clock jumped by since the last call; 0 if it did not jump."""
        wall, uptime = time.time(), uptime_seconds()
        drift = (wall - self._base[0]) - (uptime - self._base[1])
        self._base = wall, uptime
        if abs(drift) <= JUMP_SECONDS:
            return 0.0
        self._distrusted_until = uptime + TRUST_SECONDS
        return drift

    def is_plausible(self) -> bool:
        """Whether the clock has not jumped within the last day, as far as `find_jump` saw."""
        return uptime_seconds() >= self._distrusted_until
