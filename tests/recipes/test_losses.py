import math

import pytest
import torch

from recipes.nano.losses import mel_distance, mel_filters, si_sdr


@pytest.fixture
def audio() -> torch.Tensor:
    torch.manual_seed(0)
    return 0.1 * torch.randn(2, 8000)


def test_distances_of_equal_signals_are_zero(audio):
    assert mel_distance(audio, audio) == 0


def test_mel_distance_does_not_know_phase_and_si_sdr_does(audio):
    turned = torch.roll(audio, 20, dims=1)
    assert mel_distance(turned, audio) < 0.1
    assert (si_sdr(turned, audio) < 0).all()


def test_si_sdr_is_the_ratio_in_decibels(audio):
    noise = torch.randn_like(audio)
    noise -= noise.mean(-1, keepdim=True)
    target = audio - audio.mean(-1, keepdim=True)
    noise -= (noise * target).sum(-1, keepdim=True) / target.square().sum(-1, keepdim=True) * target
    noise *= 0.1 * target.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(
        si_sdr(3 * (target + noise), target), torch.tensor([20.0, 20.0]), atol=0.01, rtol=0
    )


def test_silence_gives_numbers():
    silence = torch.zeros(1, 8000)
    assert math.isfinite(mel_distance(silence, silence).item())
    assert torch.isfinite(si_sdr(silence, silence)).all()


def test_mel_filters_cover_the_spectrum():
    filters = mel_filters(2048, 96, torch.device("cpu"))
    assert filters.shape == (96, 1025)
    assert (filters >= 0).all()
    assert (filters.sum(0)[20:-20] > 0).all()
