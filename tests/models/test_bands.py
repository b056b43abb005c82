"""Bands add up, are measured and changed in pieces as in one, and silence makes no noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from songloom.models import bands as bands_module
from songloom.models.bands import BandProcessor, Bands, ProcessorConfig, band_edges, equalize_bands

RATE = 8_000


def noise(rows: int, samples: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, samples, generator=torch.Generator().manual_seed(seed))


def tone(hertz: float, samples: int = 8_000) -> Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(samples) / RATE)[None]


def test_edges_are_evenly_spaced_in_mel() -> None:
    edges = torch.tensor([0.0, *band_edges(RATE, 6), RATE / 2])
    steps = (1 + edges / 700).log10().diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps))


def test_gains_of_one_change_nothing() -> None:
    signals = noise(2, 5_000)
    torch.testing.assert_close(Bands(RATE, 5).scale_bands(signals, torch.ones(5)), signals)


@pytest.mark.parametrize("band", range(4))
def test_a_gain_changes_its_band_alone(band: int) -> None:
    edges = [0.0, *band_edges(RATE, 4), RATE / 2]
    inside = tone((edges[band] + edges[band + 1]) / 2)
    gains = torch.ones(4)
    gains[band] = 0.25
    split = Bands(RATE, 4)
    middle = slice(1_000, -1_000)  # the ends are continued as constants
    torch.testing.assert_close(
        split.scale_bands(inside, gains)[:, middle], 0.25 * inside[:, middle], atol=5e-3, rtol=0
    )
    gains = torch.full((4,), 0.25)
    gains[band] = 1.0
    torch.testing.assert_close(
        split.scale_bands(inside, gains)[:, middle], inside[:, middle], atol=5e-3, rtol=0
    )


def test_deviations() -> None:
    signals = 3 * noise(2, 20_000) + 0.5
    split, unit = Bands(RATE, 4), torch.eye(4)
    each = torch.stack([split.scale_bands(signals, unit[i]).std(dim=-1) for i in range(4)], dim=-1)
    torch.testing.assert_close(split.deviations(signals).float(), each, atol=1e-4, rtol=1e-4)


def test_pieces_are_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    signals, gains, split = noise(2, 30_000), torch.rand(5), Bands(RATE, 5)
    whole = split.scale_bands(signals, gains), split.deviations(signals)
    monkeypatch.setattr(bands_module, "_PIECE", 1 << 11)
    pieces = split.scale_bands(signals, gains), split.deviations(signals)
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 7, 640])
def test_short_signals(samples: int) -> None:
    signals = noise(1, samples)
    out = equalize_bands(signals, 2 * signals, RATE)
    assert out.shape == signals.shape
    assert out.isfinite().all()


def test_equalised_has_the_strengths_of_the_other() -> None:
    like = noise(2, 20_000, seed=1).cumsum(dim=-1) / 50
    like[1] *= 0.1
    out = equalize_bands(noise(2, 20_000), like, RATE)
    split = Bands(RATE, 8)
    ratio = split.deviations(out) / split.deviations(like)
    # Bands of two splittings overlap, and so do neighbours: roughly equal is all that can be.
    assert ((ratio[:, 1:] > 0.8) & (ratio[:, 1:] < 1.2)).all()
    alone = equalize_bands(noise(2, 20_000)[1:], like[1:], RATE)
    torch.testing.assert_close(out[1:], alone, atol=1e-6, rtol=1e-5)


def test_silence_stays_silence() -> None:
    silence, loud = torch.zeros(1, 4_000), noise(1, 4_000)
    assert equalize_bands(loud, silence, RATE).abs().max() < 1e-6
    assert torch.equal(equalize_bands(silence, loud, RATE), silence)


def test_processor_undoes_itself() -> None:
    processor = BandProcessor(ProcessorConfig(RATE, bands=6, power=0.5))
    processor.deviation.copy_(torch.linspace(1.0, 0.5, 6))
    processor.noise_deviation.copy_(torch.linspace(0.5, 1.0, 6))
    processor.mean.fill_(1e-3)
    signals = noise(2, 10_000)
    projected = processor.project(signals)
    assert (projected - signals).std() > 0.05
    # Bands overlap, so that it is exact only where gains are equal; neighbours differ little here.
    back = processor.restore(projected)
    assert (back - signals).std() < 0.02
