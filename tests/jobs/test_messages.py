"""Messages between processes arrive as they were sent."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.jobs.messages import (
    Cancel,
    Close,
    Failed,
    Listen,
    Logged,
    Lost,
    Previewed,
    Progressed,
    Sampled,
    Started,
    Stopped,
    Succeeded,
    Work,
    WorkerReady,
    WorkerStats,
    WorkEvent,
    decode_command,
    decode_event,
    encode,
)

texts = st.text()
numbers = st.integers(0, 2**53)
values = st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False))
events = st.one_of(
    st.builds(Started, texts),
    st.builds(Progressed, texts, numbers, numbers, texts, texts, values),
    st.builds(Logged, texts, texts),
    st.builds(Previewed, texts, st.floats(0, 1e6)),
    st.builds(Sampled, texts, numbers, texts, texts),
    st.builds(Succeeded, texts, st.lists(texts).map(tuple), values, st.dictionaries(texts, texts)),
    st.builds(Failed, texts, texts),
    st.builds(Stopped, texts),
    st.builds(Lost, texts, texts),
    st.builds(WorkerReady, texts, texts, texts, st.integers(0, 2**50)),
    st.builds(WorkerStats, texts, numbers, numbers, numbers, numbers),
)


@given(events)
def test_events_arrive_as_they_were_sent(event: WorkEvent) -> None:
    line = encode(event)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_event(line) == event


def test_work_arrives_as_it_was_sent() -> None:
    work = Work("a", "prediction", {"prompt": "pïano\n"}, "nano", Path("/jobs/a"), count=2)
    assert decode_command(encode(work)) == work
    for command in (Cancel("a"), Listen("a"), Close()):
        assert decode_command(encode(command)) == command


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"is": "Popen"}', b'{"is": "Started"}'])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        decode_event(line)
