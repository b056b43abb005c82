"""Column types that hold alike what SQLite and PostgreSQL hold differently, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String, TypeDecorator

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that no text column takes: NUL (PostgreSQL), and lone surrogates."""
LARGEST = 2**63 - 1
"""The largest whole number that fits a column."""


class Words(TypeDecorator[str]):
    """Text from anywhere; what can't be stored becomes U+FFFD, in what is looked for as well.

    Without a length there is no limit.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Convert a value for the database."""
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


class Moment(TypeDecorator[datetime]):
    """A time in UTC; SQLite keeps no zones, and would compare times of several ones as texts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value for the database."""
        return None if value is None else _to_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value from the database."""
        return None if value is None else _to_utc(value)


def to_json(value: Any) -> str:
    """JSON as databases take it: numbers that are none are null, mappings of all kinds are read."""
    try:
        return json.dumps(value, default=_to_dict, allow_nan=False)
    except ValueError:
        written = json.dumps(value, default=_to_dict)
        return json.dumps(json.loads(written, parse_constant=lambda name: None))


def clamp_sequence(place: int) -> int:
    """Limit a `sequence` from a client, which may send any number, to what a column holds."""
    return max(0, min(place, LARGEST))


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999, there
        return moment.replace(tzinfo=UTC)


def _to_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
