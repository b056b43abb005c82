"""Decoding by diffusion: windows, channels, seeds, progress and cancellation."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from transformers import EncodecModel

from songloom.errors import Cancelled
from songloom.models import diffusion as diffusion_module
from songloom.models.codec import Codec
from songloom.models.diffusion import MultiBandDiffusion, Windows
from songloom.models.diffusion_schedule import PowerSchedule
from songloom.models.diffusion_unet import UNet, UNetConfig
from songloom.models.encodec import Encodec, EncodecConfig
from tests.tiny import CARD, tiny_codec_config, tiny_diffusion

HOP = 640


@pytest.fixture(scope="module")
def codec() -> Codec:
    return tiny_codec(1)


def tiny_codec(channels: int) -> Codec:
    """A codec with random weights; the same ones for any number of channels."""
    config = tiny_codec_config()
    torch.manual_seed(0)
    theirs = EncodecModel(config).eval()
    names = EncodecConfig.__dataclass_fields__
    values = {name: getattr(config, name) for name in names if hasattr(config, name)}
    tuples = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    ours = Encodec(EncodecConfig(**tuples))
    ours.load_state_dict(theirs.state_dict())
    for layer in ours.quantizer.layers:
        layer.codebook.embed.normal_()
    return Codec(ours.requires_grad_(False), channels)


def codes(channels: int = 1, frames: int = 30, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, CARD, (4 * channels, frames), generator=generator)


def generated(decoder: MultiBandDiffusion, latents: Tensor, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    samples = latents.shape[-1] * HOP
    return decoder.generate(latents, HOP, lambda: torch.randn(1, samples, generator=generator))


@pytest.mark.parametrize("samples", [1, 99, 100, 101, 180, 181, 1234])
def test_windows_cover_the_piece_and_overlap(samples: int) -> None:
    layout = Windows(length=100, overlap=20, margin=4, unit=5)
    found = layout.bounds(samples)
    assert (found[0][0], found[-1][1]) == (0, samples)
    assert {end - start for start, end in found[:-1]} <= {100}
    assert min(samples, 96) <= found[-1][1] - found[-1][0] <= 100
    assert all(start % 5 == 0 for start, _ in found)
    for (start, end), (following, _) in itertools.pairwise(found):
        assert start < following <= end - layout.overlap


def test_fade_leaves_the_margins_to_the_other_window() -> None:
    fade = Windows(length=1_000, overlap=200, margin=30, unit=10).fade(torch.device("cpu"))
    assert fade.shape == (200,)
    assert not fade[:30].any()
    assert torch.equal(fade[-30:], torch.ones(30))
    assert (fade.diff() >= 0).all()
    assert fade.diff().max() < 0.02
    torch.testing.assert_close(fade + fade.flip(0), torch.ones(200))


def test_windows_are_whole_frames_and_wider_than_the_networks_reach() -> None:
    decoder = tiny_diffusion(depth=4)
    layout = decoder.windows(HOP)
    assert layout.unit == 1280  # two frames, five steps of the deepest level
    for samples in (layout.length, layout.overlap, layout.margin):
        assert samples % layout.unit == 0
    assert layout.margin >= UNetConfig(hidden=8, depth=4).reach
    assert 2 * layout.margin < layout.overlap < layout.length / 2


def without_norms(network: nn.Module) -> None:
    """Norms see a whole window; without them a network sees only its reach."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.Conv1d | nn.ConvTranspose1d):
                child.weight.data *= 1.7  # norms would keep signals from fading away


@pytest.mark.slow
def test_but_for_norms_windows_give_what_the_whole_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = tiny_diffusion(depth=4)
    without_norms(decoder)
    latents = torch.randn(1, 16, 130, generator=torch.Generator().manual_seed(1))
    whole = generated(decoder, latents)
    assert 1 < whole.std() < 20
    monkeypatch.setattr(diffusion_module, "WINDOW_SECONDS", 1.0)
    monkeypatch.setattr(diffusion_module, "OVERLAP_SECONDS", 0.1)
    assert len(decoder.windows(HOP).bounds(130 * HOP)) > 2
    assert (generated(decoder, latents) - whole).abs().max() < 2e-3

    # The margins are what makes it so.
    layout = decoder.windows(HOP)
    bare = replace(layout, margin=0)
    monkeypatch.setattr(MultiBandDiffusion, "windows", lambda self, hop: bare)
    assert (generated(decoder, latents) - whole).abs().max() > 2e-2


@torch.inference_mode()
def test_the_reach_is_enough() -> None:
    config = UNetConfig(hidden=4, depth=3, growth=2.0, kernel=4, stride=2, res_blocks=2)
    torch.manual_seed(0)
    unet = UNet(config)
    without_norms(unet)
    latents, steps = torch.randn(1, config.condition_size, 64), torch.tensor([5])
    x = torch.randn(1, 1, 4096)
    before = unet(x, steps, latents)
    x[..., 2048] += 1
    touched = (unet(x, steps, latents) != before)[0, 0].nonzero()
    assert len(touched) > 8
    assert (touched - 2048).abs().max() <= config.reach


def test_channels_are_decoded_apart(codec: Codec) -> None:
    decoder, both = tiny_diffusion(), codes(2)
    stereo = decoder.decode(tiny_codec(2), both, seed=5)
    assert stereo.shape == (2, 30 * HOP)
    for channel in range(2):
        mono = decoder.decode(codec, both[channel::2], seed=5)
        torch.testing.assert_close(stereo[channel : channel + 1], mono, atol=1e-5, rtol=1e-4)
    assert not torch.equal(stereo[0], stereo[1])


def test_equal_channels_stay_equal() -> None:
    same = codes(1).repeat_interleave(2, dim=0)
    left, right = tiny_diffusion().decode(tiny_codec(2), same, seed=5)
    torch.testing.assert_close(left, right, atol=1e-6, rtol=1e-5)


def test_seeds(codec: Codec) -> None:
    decoder = tiny_diffusion()
    first, again, other = (decoder.decode(codec, codes(), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3
    assert (first - decoder.decode(codec, codes(seed=1), seed=0)).abs().max() > 1e-3


def test_progress_and_cancellation(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusion_module, "WINDOW_SECONDS", 0.2)
    monkeypatch.setattr(diffusion_module, "OVERLAP_SECONDS", 0.08)
    decoder, told = tiny_diffusion(), []
    decoder.decode(codec, codes(), 0, told.append)
    windows = len(decoder.windows(HOP).bounds(30 * HOP))
    assert len(told) == 2 * 20 * windows > 40
    assert told == sorted(told)
    assert told[-1] == 1.0
    told.clear()
    with pytest.raises(Cancelled, match="diffusion"):
        decoder.decode(codec, codes(), 0, told.append, lambda: len(told) == 3)
    assert len(told) == 3


def test_half_precision_networks_keep_the_signal_in_float32(codec: Codec) -> None:
    decoder = tiny_diffusion()
    exact = decoder.decode(codec, codes(), seed=0)
    for band in decoder.each_band():
        band.unet.to(torch.bfloat16)
    rough = decoder.decode(codec, codes(), seed=0)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).norm() / exact.norm() < 0.1


def test_the_way_back_ends_in_the_signal() -> None:
    """With a network that knows the noise exactly, twenty steps find the music."""
    schedule = PowerSchedule(clip=0.0)
    music = torch.sin(torch.arange(2_000) / 9)[None]
    x = torch.randn(1, 2_000, generator=torch.Generator().manual_seed(0))
    way = schedule.way_back()
    for step in way:
        power = schedule.signal_powers()[step.index].item()
        known = (x - math.sqrt(power) * music) / math.sqrt(1 - power)
        x = schedule.remove_noise(x, known, step, torch.randn_like(x) if step.added else None)
    # The last step leaves the noise of the very first one, which is a millionth of the power.
    torch.testing.assert_close(x, music, atol=2e-2, rtol=0)
    assert [step.added > 0 for step in way] == [True] * 19 + [False]


def test_noisy_signals_have_the_power_that_the_schedule_says() -> None:
    schedule = PowerSchedule()
    x, noise = torch.randn(2, 3, 1, 50_000, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0, 500, 999])
    mixed = schedule.add_noise(x, steps, noise)
    kept = (mixed * x).mean(dim=(1, 2)).square()  # both have unit variance
    powers = schedule.signal_powers()[steps].float()
    torch.testing.assert_close(kept, powers, atol=0.02, rtol=0)
    torch.testing.assert_close(mixed.var(dim=(1, 2)), torch.ones(3), atol=0.03, rtol=0)
    assert powers[0] > 0.9999
    assert powers[2] < 0.02


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_on_a_gpu_it_is_nearly_the_same(codec: Codec) -> None:
    decoder, gpu = tiny_diffusion(), tiny_diffusion().cuda()
    exact = decoder.decode(codec, codes(frames=600), seed=0)
    gpu.prepare_for_inference()
    on_gpu = tiny_codec(1)
    on_gpu.encodec.cuda()
    rough = gpu.decode(on_gpu, codes(frames=600), seed=0).cpu()
    assert (rough - exact).norm() / exact.norm() < 0.1
