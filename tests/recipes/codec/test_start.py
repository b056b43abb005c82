from itertools import pairwise

import torch

from recipes.nano.codec.lapped import HOP
from recipes.nano.codec.start import start_codec


def excerpt(mixes, count=4) -> torch.Tensor:
    length = mixes.shape[1] // HOP * HOP
    return torch.from_numpy(mixes[:count, :length] / 32767).float()


def test_components_pass_as_they_are(started, fit, mixes):
    """The cells that hear loudness do not disturb them."""
    audio = excerpt(mixes)
    wanted = fit.settings.component_scale * torch.nn.functional.linear(
        torch.nn.functional.pad(audio, (320, 320)).unfold(1, 1280, HOP), fit.analysis
    )
    latents = started.encode(audio)[..., : fit.settings.components]
    # Only what lies beyond the lift bends.
    torch.testing.assert_close(latents[:, 4:-4], wanted[:, 4:-4], atol=0.1, rtol=0.1)


def test_loudness_is_heard(started, fit, mixes):
    audio = excerpt(mixes)
    heard = started.encode(audio)[..., fit.settings.components :]
    true = fit.measure_bands(audio)
    nats = ((heard - true) / fit.settings.band_scale)[:, 8:-8].square().mean().sqrt()
    spread = (true / fit.settings.band_scale).std()
    assert nats < 0.7 * spread


def test_noise_is_as_loud_as_it_is_told(started, fit):
    """The decoder's noise follows the loudness that the codes give, over 40 dB."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 100 * HOP, generator=generator)
    levels = []
    for level in (0.003, 0.03, 0.3):
        wanted = fit.measure_bands(level * noise)
        components = 0.05 * torch.randn(1, 100, fit.settings.components, generator=generator)
        made = fit.measure_bands(started.decode(torch.cat([components, wanted], dim=2)))
        levels.append(float(made[0, 4:-4, -1].mean()) / fit.settings.band_scale)
    steps = [after - before for before, after in pairwise(levels)]
    assert all(step > 0.7 for step in steps)


def test_the_start_is_the_same_each_time(started, fit, mixes):
    again = start_codec(fit, width=318, kernel=7, mixes=mixes)
    audio = excerpt(mixes, 1)
    torch.testing.assert_close(again.encode(audio), started.encode(audio), atol=1e-3, rtol=1e-3)
