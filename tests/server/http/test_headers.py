"""What the headers of a request ask for."""

import pytest

from songloom.server.http.headers import cancel_after_seconds, wait_seconds
from songloom.server.http.problems import ProblemError


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("", 0),
        ("wait", 55),
        ("wait=5", 5),
        ("wait=60", 55),
        ('respond-async, Wait="7"; strict', 7),
        ("wait=0", 0),
        ("wait=soon", 0),
        ("wait=-1", 0),
        ("wait=nan", 0),
        ("wait=1e9", 0),
        ("respond-async", 0),
        ("waiting=3", 0),
    ],
)
def test_waiting_is_asked_for(prefer: str, seconds: float) -> None:
    assert wait_seconds(prefer, 55) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", None), ("90", 90), ("90s", 90), ("1m30s", 90), ("2h", 7200), ("1h0m5.5s", 3605.5)],
)
def test_giving_up_is_asked_for(value: str, seconds: float | None) -> None:
    assert cancel_after_seconds(value) == seconds


@pytest.mark.parametrize(
    "value", ["4s", "0", "-5s", "5 s", "30s1m", "soon", "9" * 30, "\u0661m30s"]
)
def test_other_durations_are_refused(value: str) -> None:
    with pytest.raises(ProblemError, match=r"Cancel-After is .* at least 5 s") as refused:
        cancel_after_seconds(value)
    assert refused.value.status == 422
    assert refused.value.fields[0].field == "Cancel-After"
