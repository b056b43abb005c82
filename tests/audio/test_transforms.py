"""Channels and sample rates."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.audio.files import Audio
from songloom.audio.transforms import convert, convert_stream, resample, to_channels, to_mono
from songloom.errors import AudioError, RequestError
from tests.audio.sounds import tone_audio, tones

RATES = st.sampled_from([8000, 16000, 22050, 32000, 44100, 48000, 96000, 192000])


def test_to_mono_averages() -> None:
    assert to_mono(torch.tensor([[1.0, 0.5], [0.0, -0.5]])).tolist() == [[0.5, 0.0]]


@settings(deadline=None)
@given(st.integers(1, 10), st.integers(1, 2), st.integers(0, 50))
def test_to_channels(has: int, wants: int, length: int) -> None:
    samples = torch.randn(has, length)
    result = to_channels(samples, wants)
    assert result.shape == (wants, length)
    if has == wants:
        assert torch.equal(result, samples)
    else:
        for side in result:
            torch.testing.assert_close(side, samples.mean(dim=0))


@pytest.mark.parametrize("channels", [0, 3, -1])
def test_to_channels_refuses(channels: int) -> None:
    with pytest.raises(RequestError, match=f"channels is {channels}, but must be 1 .* or 2"):
        to_channels(torch.zeros(2, 5), channels)


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(0, 3000), RATES, RATES)
def test_resample_length(channels: int, length: int, from_rate: int, to_rate: int) -> None:
    result = resample(torch.rand(channels, length), from_rate, to_rate)
    assert result.shape == (channels, math.ceil(length * to_rate / from_rate))
    assert result.isfinite().all()
    assert result.is_contiguous()


@settings(max_examples=20, deadline=None)
@given(RATES, RATES)
def test_resample_keeps_tones(from_rate: int, to_rate: int) -> None:
    result = resample(tones(0.5, from_rate, 2), from_rate, to_rate)
    expected = tones(0.5, to_rate, 2)
    edge = to_rate // 20  # the filter rings where the tone begins and ends
    assert (result - expected)[:, edge:-edge].abs().max() < 1e-3


def test_resample_removes_what_would_alias() -> None:
    time = torch.arange(48000, dtype=torch.float64) / 48000
    whistle = torch.sin(2 * torch.pi * 15000 * time)[None].float()
    assert resample(whistle, 48000, 16000)[:, 1000:-1000].abs().max() < 1e-3


def test_convert() -> None:
    audio = convert(tone_audio(1.5, 44100, 8), 32000, 2)
    assert (audio.sample_rate, audio.samples.shape) == (32000, (2, 48000))
    mono = Audio(torch.rand(1, 100), 32000)
    assert torch.equal(convert(mono, 32000, 1).samples, mono.samples)


@settings(deadline=None)
@given(st.integers(1, 3), st.lists(st.integers(0, 3000), min_size=1, max_size=5), RATES, RATES)
def test_pieces_are_converted_like_the_whole(
    channels: int, lengths: list[int], from_rate: int, to_rate: int
) -> None:
    whole = torch.rand(channels, sum(lengths)) - 0.5
    pieces = [Audio(piece, from_rate) for piece in whole.split(lengths, dim=1)]
    converted = list(convert_stream(pieces, to_rate, 2))
    expected = convert(Audio(whole, from_rate), to_rate, 2).samples
    joined = torch.cat([torch.zeros(2, 0), *converted], dim=1)
    torch.testing.assert_close(joined, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rates", [(1, 32_000), (32_000, 1), (999, 32_000), (44_100, 2**31)])
def test_rates_that_soxr_would_not_survive(rates: tuple[int, int]) -> None:
    samples = torch.zeros(1, 70_000)
    with pytest.raises(AudioError, match=r"has a sample rate of .* Hz: expected 1000 to 768000 Hz"):
        resample(samples, *rates)
    with pytest.raises(AudioError, match="has a sample rate of"):
        list(convert_stream([Audio(samples, rates[0])], rates[1], 1))


def test_a_result_beyond_memory_is_refused() -> None:
    samples = torch.zeros(1, 1).expand(1, 3_000_000)
    with pytest.raises(AudioError, match=r"too long to hold in memory at 768000 Hz \(50 minutes\)"):
        resample(samples, 1000, 768_000)
