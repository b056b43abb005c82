from itertools import pairwise

import numpy as np
import torch

from recipes.nano.sounds.mastering import EDGES, LEVEL, SHARES, UNTOUCHED, master, master_mixes

RATE = 32_000


def make_dull_mixes(count: int) -> torch.Tensor:
    """Noise with little bass and less treble: (count, 2 seconds)."""
    generator = torch.Generator().manual_seed(0)
    spectrum = torch.fft.rfft(torch.randn(count, 2 * RATE, generator=generator))
    frequencies = torch.fft.rfftfreq(2 * RATE, 1 / RATE)
    shape = torch.exp(-0.5 * (((frequencies + 20).log2() - 9.5) / 2.0) ** 2)
    noise = torch.fft.irfft(spectrum * shape)
    return 0.02 * noise / noise.square().mean().sqrt()


def measure_shares(audio: torch.Tensor) -> np.ndarray:
    """dB of the whole power in each band, a row of each excerpt."""
    power = torch.fft.rfft(audio).abs().square().numpy()
    bins = np.searchsorted(np.fft.rfftfreq(audio.shape[1], 1 / RATE), EDGES)
    shares = np.stack([power[:, a:b].sum(1) for a, b in pairwise(bins)], 1)
    return 10 * np.log10(shares / power.sum(1, keepdims=True) + 1e-12)


def test_mastered_mixes_have_the_spectrum_and_level_of_records():
    dull = make_dull_mixes(60)
    mastered = master(dull, np.random.default_rng(1))
    before, after = measure_shares(dull), measure_shares(mastered)
    distance_before = np.abs(np.median(before, 0) - SHARES).mean()
    assert np.abs(np.median(after, 0) - SHARES).mean() < 0.8 * distance_before
    levels = 10 * np.log10(mastered.square().mean(1).numpy())
    assert abs(np.median(levels) - LEVEL) < 5
    assert mastered.abs().max() <= 1


def test_some_stay_as_they_are_and_silence_always_does():
    dull = make_dull_mixes(60)
    dull[7] = 0
    mastered = master(dull, np.random.default_rng(1))
    same = [torch.equal(a, b) for a, b in zip(dull, mastered, strict=True)]
    assert same[7]
    assert 0.3 * UNTOUCHED < np.mean(same) < 2 * UNTOUCHED


def test_the_same_seed_masters_alike():
    mixes = (32767 * make_dull_mixes(4)).short().numpy()
    assert np.array_equal(master_mixes(mixes, seed=3), master_mixes(mixes, seed=3))
    assert master_mixes(mixes, seed=3).dtype == np.int16
