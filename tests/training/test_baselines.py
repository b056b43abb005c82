"""Losses that need no model."""

import math

import pytest
import torch

from songloom.training.baselines import measure_baselines


def test_guessing_and_counting() -> None:
    training = torch.tensor([[0, 0, 0, 1], [2, 2, 2, 2]])
    held_out = torch.tensor([[0, 1], [2, 3]])
    found = measure_baselines([training], [held_out], 4)
    assert found.uniform == pytest.approx(math.log(4))
    # Half a count more for each of four codes: six in all.
    shares = [3.5 / 6, 1.5 / 6, 4.5 / 6, 0.5 / 6]
    assert found.table == pytest.approx(-sum(map(math.log, shares)) / 4)


def test_a_table_of_music_that_differs_is_worse_than_guessing() -> None:
    zeros, ones = torch.zeros(2, 100, dtype=torch.int16), torch.ones(2, 50, dtype=torch.int16)
    found = measure_baselines([zeros, zeros[:, :7]], [ones], 8)
    assert found.table > found.uniform
    assert measure_baselines([zeros], [zeros], 8).table < 0.1
