"""Clocks that are set while the program runs."""

from datetime import UTC, datetime, timedelta

import pytest

from songloom import clock


def test_no_time_has_passed_where_the_clock_was_set_back() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.elapsed_seconds(start, start + timedelta(minutes=1)) == 60
    assert clock.elapsed_seconds(start, start - timedelta(minutes=1)) == 0


@pytest.mark.parametrize("jump", [2 * 3600.0, -2 * 3600.0])
def test_a_jump_is_distrusted_for_a_day(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    wall, uptime = 1e9, 1000.0
    monkeypatch.setattr(clock.time, "time", lambda: wall)
    monkeypatch.setattr(clock, "uptime_seconds", lambda: uptime)
    detector = clock.JumpDetector()
    wall, uptime = wall + 5 * 86_400, uptime + 5 * 86_400
    assert detector.find_jump() == 0  # it went on as time did
    assert detector.is_plausible()
    wall, uptime = wall + 600 + jump, uptime + 600
    assert detector.find_jump() == jump
    assert detector.find_jump() == 0
    assert not detector.is_plausible()
    uptime += clock.TRUST_SECONDS
    assert detector.is_plausible()
