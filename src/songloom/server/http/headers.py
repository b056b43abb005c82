"""Headers of requests that create a job: how long to wait, when to give up."""

from __future__ import annotations

import re

from songloom.server.http.problems import InvalidField, ProblemError

LEAST_CANCEL_AFTER = 5.0
"""Seconds."""
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?|(\d+)", re.ASCII)


def wait_seconds(prefer: str, most: float) -> float:
    """How long `Prefer` asks to wait for the result; 0 where it does not.

    Args:
        prefer: the header's value (RFC 7240): `wait`, `wait=5`; further preferences are ignored.
        most: the longest wait, which `wait` alone asks for.
    """
    for preference in prefer.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() != "wait":
            continue
        seconds = value.strip().strip('"')
        if not seconds:
            return most
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", seconds):
            return min(float(seconds), most)
    return 0.0


def cancel_after_seconds(value: str) -> float | None:
    """Seconds after which `Cancel-After` asks to cancel the job; None where it does not.

    Args:
        value: the header's value: `1m30s`, `2h`, or a number of seconds.

    Raises:
        ProblemError: it is no duration, or a shorter one than `LEAST_CANCEL_AFTER`.
    """
    text = value.strip().lower()
    if not text:
        return None
    matched = _DURATION.fullmatch(text)
    if matched is None or len(text) > 20:
        raise _refuse(value)
    hours, minutes, seconds, alone = (float(part or 0) for part in matched.groups())
    total = 3600 * hours + 60 * minutes + seconds + alone
    if total < LEAST_CANCEL_AFTER:
        raise _refuse(value)
    return total


def _refuse(value: str) -> ProblemError:
    described = (
        f"Cancel-After is {value[:40]!r}, but must be a duration of at least "
        f"{LEAST_CANCEL_AFTER:g} s, such as 90s, 1m30s or 2h; correct it, or leave it out"
    )
    return ProblemError(422, described, fields=[InvalidField("Cancel-After", described)])
