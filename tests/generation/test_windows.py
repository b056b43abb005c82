"""Windows cover a piece from its prompt to its end, each within the model's reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.generation.windows import Window, windows


@pytest.mark.parametrize(
    ("total", "known", "expected"),
    [
        (10, 0, [Window(0, 0, 10)]),
        (30, 4, [Window(0, 4, 30)]),
        # The reference: thirty seconds, then steps of eighteen that keep twelve.
        (50, 0, [Window(0, 0, 30), Window(18, 12, 30), Window(36, 12, 14)]),
        (48, 0, [Window(0, 0, 30), Window(18, 12, 30)]),
        # A prompt that fills the window leaves its last twelve seconds as context.
        (40, 30, [Window(18, 12, 22)]),
        (100, 65, [Window(53, 12, 30), Window(71, 12, 29)]),
    ],
)
def test_known_plans(total: int, known: int, expected: list[Window]) -> None:
    assert list(windows(total, known, window=30, stride=18)) == expected


@given(
    total=st.integers(1, 500),
    known=st.integers(0, 499),
    window=st.integers(2, 60),
    stride=st.integers(1, 59),
)
def test_every_frame_is_decided_once(total: int, known: int, window: int, stride: int) -> None:
    known, stride = min(known, total - 1), min(stride, window - 1)
    done = known
    for part in windows(total, known, window, stride):
        assert 0 < part.frames <= window
        assert part.start + part.known == done
        assert part.known < part.frames
        assert 0 <= part.start <= done
        done = part.end
    assert done == total
