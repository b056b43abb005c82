"""Dynamics, and the loudness that they rest on."""

import pytest
import torch
from torch import Tensor

from songloom.audio.files import Audio
from songloom.audio.loudness import block_loudness, integrated_loudness
from songloom.dataset.analysis.dynamics import dynamics

RATE = 16_000


def noise(seconds: float, level: float, channels: int = 1) -> Tensor:
    """Noise of a level in LUFS."""
    random = torch.Generator().manual_seed(0)
    samples = torch.randn(channels, round(seconds * RATE), generator=random) * 0.01
    return samples * 10 ** ((level - integrated_loudness(samples, RATE)) / 20)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("rate", [8000, 32000])
def test_loudness_of_a_block_is_that_of_the_standard(channels: int, rate: int) -> None:
    random = torch.Generator().manual_seed(0)
    samples = 0.05 * torch.randn(channels, 3 * rate, generator=random)
    samples += torch.sin(torch.arange(3 * rate) / 20) * 0.1
    expected = integrated_loudness(samples, rate)
    assert block_loudness(samples, rate) == pytest.approx(expected, abs=0.1)


def test_silence_is_infinitely_quiet() -> None:
    assert block_loudness(torch.zeros(2, 100), 8000) == -torch.inf
    assert dynamics(Audio(torch.zeros(2, 10 * RATE), RATE)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ((-30, -30, -30), "quiet, steady"),
        ((-8, -8, -8), "loud, steady"),
        ((-16, -16, -16), "steady"),
        ((-30, -12, -18), "dynamic"),
        ((-40, -26, -40), "quiet, dynamic"),
        ((-20, -14, -17), None),
        ((-100, -16, -100), "steady"),  # pauses do not count
    ],
)
def test_words(levels: tuple[float, ...], words: str | None) -> None:
    sound = torch.cat([noise(20, level) for level in levels], dim=1)
    heard = dynamics(Audio(sound, RATE))
    assert (heard.words if heard else None) == words
    if heard:
        assert 0.5 <= heard.confidence <= 1


def test_short_sounds_have_a_level_and_no_range() -> None:
    heard = dynamics(Audio(noise(5, -30), RATE))
    assert heard is not None
    assert heard.words == "quiet"
    assert dynamics(Audio(noise(2, -30), RATE)) is None
