from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.training.schedules import LAST_SHARE, learning_rate_factor
from songloom.training_request import SchedulerName

NAMES: tuple[SchedulerName, ...] = get_args(SchedulerName)


def curve(name: SchedulerName, steps: int = 100, warmup: int = 8) -> list[float]:
    return [learning_rate_factor(name, step, steps, warmup) for step in range(steps)]


@pytest.mark.parametrize("name", NAMES)
@given(steps=st.integers(1, 300), warmup=st.integers(0, 300))
def test_factors_are_positive_and_at_most_one(name: SchedulerName, steps: int, warmup: int) -> None:
    factors = curve(name, steps, warmup)
    assert all(0 < factor <= 1 for factor in factors)


@pytest.mark.parametrize("name", NAMES)
def test_it_rises_in_a_line_then_never_again(name: SchedulerName) -> None:
    factors = curve(name)
    assert factors[:8] == pytest.approx([(step + 1) / 9 for step in range(8)])
    assert factors[8] == 1
    assert all(a >= b for a, b in pairwise(factors[8:]))


def test_ends() -> None:
    assert curve("cosine")[-1] < 0.001
    assert curve("polynomial_decay")[-1] == pytest.approx(1 / 92)
    assert curve("exponential")[-1] == pytest.approx(LAST_SHARE, rel=0.06)
    assert curve("inverse_sqrt")[-1] == pytest.approx((8 / 99) ** 0.5)
    assert curve("linear_warmup")[-1] == 1


def test_half_way() -> None:
    assert learning_rate_factor("cosine", 50, 100, 0) == pytest.approx(0.5)
    assert learning_rate_factor("exponential", 50, 100, 0) == pytest.approx(LAST_SHARE**0.5)
