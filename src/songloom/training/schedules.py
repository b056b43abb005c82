"""How the learning rate changes: a factor on it for every step, from nothing but the step."""

from __future__ import annotations

import math

from songloom.training_request import SchedulerName

LAST_SHARE = 0.01
"""Share of the rate that the exponential schedule ends at."""


def learning_rate_factor(name: SchedulerName, step: int, steps: int, warmup: int) -> float:
    """Factor on the learning rate in update `step`.

    In the first `warmup` updates it rises linearly to 1. Then it falls to 0 as a cosine
    (`cosine`) or a line (`polynomial_decay`), to 1 % (`exponential`), with the square root of the
    step (`inverse_sqrt`), or not at all (`linear_warmup`).

    Args:
        name: the schedule.
        step: update, from 0 to `steps - 1`.
        steps: updates in all.
        warmup: updates of the warm-up.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    match name:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case "polynomial_decay":
            return 1 - done
        case "exponential":
            return float(LAST_SHARE**done)
        case "inverse_sqrt":
            return math.sqrt(max(1, warmup) / max(1, warmup, step))
        case "linear_warmup":
            return 1.0
