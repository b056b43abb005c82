"""Loudness: golden values, the standard, and odd signals."""

import math
from typing import get_args

import pyloudnorm
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from songloom.audio.loudness import PEAK, integrated_loudness, normalize
from songloom.request import NormalizationStrategy
from tests.audio.sounds import tones
from tests.golden_values import golden_folder

STRATEGIES = get_args(NormalizationStrategy)
GOLDEN = load_file(golden_folder() / "audio" / "normalization.safetensors")
SIGNALS = sorted(name for name in GOLDEN if not name.endswith(STRATEGIES))


def test_golden_values_are_there() -> None:
    assert SIGNALS
    assert set(GOLDEN) >= {f"{name}_{strategy}" for name in SIGNALS for strategy in STRATEGIES}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", SIGNALS)
def test_golden(name: str, strategy: NormalizationStrategy) -> None:
    result = normalize(GOLDEN[name], 32000, strategy)
    expected = GOLDEN[f"{name}_{strategy}"]
    torch.testing.assert_close(result, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("sample_rate", [8000, 32000, 44100, 48000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_loudness_is_that_of_the_standard(sample_rate: int, channels: int) -> None:
    torch.manual_seed(channels)
    noise = 0.05 * torch.randn(channels, 2 * sample_rate)
    noise[:, sample_rate // 2 : sample_rate] *= 0.003  # to be gated
    expected = pyloudnorm.Meter(sample_rate).integrated_loudness(noise.T.double().numpy())
    assert integrated_loudness(noise, sample_rate) == pytest.approx(expected, abs=1e-3)


def test_a_tone_of_known_loudness() -> None:
    tone = torch.sin(2 * torch.pi * 997 * torch.arange(10 * 48000) / 48000)[None]
    assert integrated_loudness(0.1 * tone, 48000) == pytest.approx(-23.01, abs=0.1)


@pytest.mark.parametrize("seconds", [0.001, 0.1, 0.39, 0.41, 3, 12])
def test_loudness_reaches_its_target(seconds: float) -> None:
    quiet = 0.02 * torch.randn(2, int(seconds * 32000))
    loud = normalize(quiet, 32000, "loudness")
    assert integrated_loudness(loud, 32000) == pytest.approx(-14, abs=0.05)


def test_long_audio_is_measured_as_short_audio_is() -> None:
    beat = 0.2 * torch.randn(1, 32000 * 3)
    once, often = (integrated_loudness(beat.repeat(1, times), 32000) for times in (1, 11))
    assert once == pytest.approx(often, abs=0.05)


def test_nearly_silent_audio_is_left_alone() -> None:
    hiss = 1e-3 * torch.randn(1, 32000)
    assert torch.equal(normalize(hiss, 32000, "loudness"), hiss)


def test_levels() -> None:
    tone = 0.3 * tones(1, 32000, 2)
    assert normalize(tone, 32000, "peak").abs().max() == pytest.approx(PEAK)
    level = normalize(tone, 32000, "rms").mean(dim=0).square().mean().sqrt()
    assert 20 * math.log10(level) == pytest.approx(-18, abs=1e-3)
    assert torch.equal(normalize(tone, 32000, "clip"), tone)
    assert normalize(9 * tone, 32000, "clip").abs().max() == pytest.approx(PEAK)


def test_inaudible_numbers_do_not_become_infinite() -> None:
    for strategy in STRATEGIES:
        result = normalize(torch.full((1, 32000), 1e-42), 32000, strategy)
        assert result.abs().max() < 1e-30


@settings(max_examples=40, deadline=None)
@given(
    channels=st.integers(1, 2),
    length=st.sampled_from([0, 1, 2, 31, 12799, 12800, 12801, 20000]),
    level=st.floats(-40, 10),
    kind=st.sampled_from(["noise", "click", "constant", "one side"]),
    strategy=st.sampled_from(STRATEGIES),
)
def test_always_a_sound_within_bounds(
    channels: int, length: int, level: float, kind: str, strategy: NormalizationStrategy
) -> None:
    samples = {
        "noise": torch.randn(channels, length),
        "click": torch.zeros(channels, length).index_fill(1, torch.arange(min(1, length)), 1.0),
        "constant": torch.ones(channels, length),
        "one side": torch.randn(channels, length) * torch.tensor([[1.0], [0.0]])[:channels],
    }[kind]
    samples = (samples.double() * 10.0**level).float()
    result = normalize(samples, 32000, strategy)
    assert result.shape == samples.shape
    assert not result.isnan().any()
    assert (result.abs() <= 1).all()
