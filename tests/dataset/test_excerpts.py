"""What is kept of a song beside its tokens."""

import pytest
import torch

from songloom.dataset.excerpts import EXCERPT_SECONDS, MOST_EXCERPTS, take_excerpts

RATE, HOP = 1000, 20


@pytest.mark.parametrize(
    ("seconds", "starts", "length"),
    [
        (2.0, [0.0], 2.0),
        (10.0, [0.0], 10.0),
        (15.0, [2.5], 10.0),
        (20.0, [0.0, 10.0], 10.0),
        (240.0, [35.0, 115.0, 195.0], 10.0),
    ],
)
def test_excerpts_are_spread_over_a_song(
    seconds: float, starts: list[float], length: float
) -> None:
    sound = torch.sin(torch.arange(round(seconds * RATE)) * 0.1)[None] * torch.tensor([[0.5], [1]])
    found = take_excerpts(sound, HOP, RATE)
    assert (found.starts * HOP / RATE).tolist() == pytest.approx(starts, abs=HOP / RATE)
    assert found.samples.shape == (len(starts), 2, round(length * RATE))
    for i, start in enumerate(found.starts.tolist()):
        original = sound[:, start * HOP : start * HOP + found.samples.shape[-1]]
        assert torch.allclose(found.waveform(i), original, atol=1e-4)


def test_they_take_little_room_and_never_wrap_around() -> None:
    loud = torch.full((1, 600 * RATE + 7), 3.0)
    found = take_excerpts(loud, HOP, RATE)
    assert found.samples.numel() == MOST_EXCERPTS * EXCERPT_SECONDS * RATE
    assert found.waveform(0).unique().tolist() == [1.0]
