from dataclasses import replace

import pytest
import torch

from recipes.nano.codec.fit import (
    FitSettings,
    cluster,
    find_nearest,
    fit_codec,
    load_fit,
    save_fit,
)
from recipes.nano.codec.lapped import overlap_frames, split_frames
from tests.recipes.codec.sounds import draw_mixes


def error(fit, audio: torch.Tensor) -> float:
    """Share of the energy that components alone leave out."""
    output = overlap_frames(split_frames(audio) @ fit.analysis.t() @ fit.synthesis)
    return float((output - audio).square().sum() / audio.square().sum())


def test_more_components_carry_more(mixes, fit):
    audio = torch.from_numpy(mixes[:4, :51_200] / 32767).float()
    few = fit_codec(mixes, replace(fit.settings, components=6))
    assert error(fit, audio) < error(few, audio) < 1


def test_loudness_is_that_of_the_bands(fit):
    noise = torch.randn(1, 32_000, generator=torch.Generator().manual_seed(0))
    loud, soft = fit.measure_bands(0.1 * noise), fit.measure_bands(0.01 * noise)
    nats = (loud - soft)[0, 2:-2] / fit.settings.band_scale
    torch.testing.assert_close(nats.mean(), torch.tensor(10.0).log(), atol=0.02, rtol=0)


def test_a_fit_is_read_as_it_was_written(tmp_path, fit):
    save_fit(tmp_path / "fit.pt", fit)
    read = load_fit(tmp_path / "fit.pt")
    assert read.settings == fit.settings
    assert torch.equal(read.codebooks, fit.codebooks)
    assert torch.equal(read.analysis, fit.analysis)


def test_a_missing_fit_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"fit\.pt.*codec stage"):
        load_fit(tmp_path / "fit.pt")


def test_clusters_are_found():
    generator = torch.Generator().manual_seed(0)
    true = 10 * torch.randn(4, 3, generator=generator)
    points = true.repeat(200, 1) + 0.1 * torch.randn(800, 3, generator=generator)
    centers = cluster(points, 12, generator)
    assert (true[:, None] - centers[None]).norm(dim=-1).amin(1).max() < 0.5
    assert torch.equal(find_nearest(centers, centers), torch.arange(12))


def test_the_same_mixes_give_the_same_fit():
    settings = FitSettings(components=4, bands=4, codebooks=2, size=8, sample=200)
    one, other = (fit_codec(draw_mixes(3), settings) for _ in range(2))
    assert torch.equal(one.codebooks, other.codebooks)
