"""The diffusion decoder's training, on toy sizes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import songloom
from recipes.nano import diffusion
from recipes.nano.diffusion import (
    BandTraining,
    Comparison,
    DiffusionSettings,
    Distances,
    Excerpts,
)
from songloom.checkpoints.codec_files import read_codec
from songloom.checkpoints.diffusion_files import read_diffusion
from songloom.models.bands import Bands
from songloom.models.codec import Codec
from songloom.models.diffusion_unet import UNet, UNetConfig
from tests.tiny import tiny_model

SETTINGS = DiffusionSettings(
    bands=2,
    shape=UNetConfig(hidden=8, depth=2, growth=2.0),
    surveyed=4,
    updates=6,
    batch=3,
    frames=4,
    warm_up=2,
    save_every=2,
)


def music(seed: int, first: int, frames: int) -> tuple[Tensor, Tensor]:
    """A low and a high tone, different for each seed, and codes that are as good as any."""
    time = torch.arange(first * 640, (first + frames) * 640) / 32_000
    low, high = 100 + seed % 97, 6_000 + seed % 997
    audio = 0.3 * torch.sin(2 * torch.pi * low * time)
    audio += 0.05 * torch.sin(2 * torch.pi * high * time)
    return audio, torch.full((4, frames), seed % 7)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def codec(model: Path) -> Codec:
    return read_codec(model, 1, torch.device("cpu"), torch.float32)


def trainings(settings: DiffusionSettings = SETTINGS) -> list[BandTraining]:
    device = torch.device("cpu")
    return [BandTraining(settings, band, 16, device) for band in range(settings.bands)]


def test_excerpts_are_always_the_same(codec: Codec) -> None:
    excerpts = Excerpts(music, codec, SETTINGS)
    audio, latents = excerpts.batch(3)
    assert audio.shape == (3, 4 * 640)
    assert latents.shape == (3, 16, 4)
    again, same_latents = excerpts.batch(3)
    assert torch.equal(audio, again)
    assert torch.equal(latents, same_latents)
    assert not torch.equal(audio, excerpts.batch(4)[0])


def test_each_training_hears_its_band(codec: Codec) -> None:
    whole, _ = Excerpts(music, codec, SETTINGS).batch(0)
    split = Bands(32_000, 2)
    for band, training in enumerate(trainings()):
        strengths = split.deviations(training.heard(whole)).mean(dim=0)
        assert strengths[band] > 5 * strengths[1 - band]


def test_the_survey_makes_music_as_strong_as_noise(codec: Codec) -> None:
    training = trainings(replace(SETTINGS, power=1.0))[0]
    whole, _ = Excerpts(music, codec, SETTINGS).batch(0)
    training.survey([whole])
    processor = training.band().processor
    heard = training.heard(whole)
    assert heard.std() < 0.5
    strengths = Bands(32_000, 8).deviations(processor.project(heard))
    assert float(strengths[:, 0].mean()) == pytest.approx(
        float(processor.noise_deviation[0]), rel=0.5
    )
    assert processor.deviation.min() > 0


def test_the_loss_falls(codec: Codec, tmp_path: Path) -> None:
    settings = replace(SETTINGS, updates=61, learning_rate=5e-3, save_every=10)
    diffusion.train_diffusion(tmp_path, music, codec, settings)
    lines = (tmp_path / "diffusion.log").read_text().splitlines()
    losses = [
        [float(loss) for loss in line.rpartition("losses ")[2].split()]
        for line in lines
        if "losses" in line
    ]
    assert len(losses) == 6
    for first, last in zip(losses[0], losses[-1], strict=True):
        assert last < 0.9 * first


def test_stopped_and_resumed_is_as_at_once(codec: Codec, tmp_path: Path) -> None:
    at_once = diffusion.train_diffusion(tmp_path / "once", music, codec, SETTINGS)
    assert at_once is not None
    asked = iter([False, False, True, False, True])

    def stop() -> bool:
        return next(asked, False)

    assert diffusion.train_diffusion(tmp_path / "parts", music, codec, SETTINGS, stop) is None
    assert diffusion.train_diffusion(tmp_path / "parts", music, codec, SETTINGS, stop) is None
    in_parts = diffusion.train_diffusion(tmp_path / "parts", music, codec, SETTINGS, stop)
    assert in_parts is not None
    expected = at_once.state_dict()
    for name, tensor in in_parts.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6)
    assert not list(tmp_path.rglob("*.part"))


def test_measures_know_better_from_worse(codec: Codec) -> None:
    target = music(5, 0, 50)[0][None]
    near, far = target + 1e-4, 0.3 * target + 0.01
    for measure in (diffusion.log_spectral_distance, diffusion.high_error):
        assert measure(target, target) == 0
        assert 0 <= measure(near, target) < measure(far, target)
    # A loss of 6 dB above 4 kHz alone.
    weaker = Bands(32_000, 2).scale_bands(target, torch.tensor([1.0, 0.5]))
    assert diffusion.high_error(weaker, target) == pytest.approx(6.02, abs=0.3)


@pytest.mark.parametrize("better", [True, False])
def test_only_what_is_better_is_published(
    better: bool,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tiny_model(tmp_path / "model")
    compared = Comparison(
        Distances(spectral=0.1, mel=0.1, high=0.2),
        Distances(spectral=0.2, mel=0.2 if better else 0.05, high=0.1),
    )
    monkeypatch.setattr(diffusion, "load_bank", lambda path: None)
    monkeypatch.setattr(diffusion, "Sampler", lambda bank: None)
    monkeypatch.setattr(diffusion, "compare", lambda *given: compared)

    really_train = diffusion.train_diffusion

    def train(work: Path, given: object, codec: Codec, *rest: object) -> object:
        return really_train(work, music, codec, SETTINGS)

    monkeypatch.setattr(diffusion, "train_diffusion", train)
    monkeypatch.setattr(
        "sys.argv",
        ["diffusion", "--work", str(tmp_path), "--model", str(folder), "--device", "cpu"],
    )
    diffusion.main()
    shown = capsys.readouterr().out
    assert ("published as" in shown) == better
    assert (folder / "diffusion").exists() == better
    if better:
        read = read_diffusion(folder / "diffusion", torch.device("cpu"))
        assert read.condition_size == 16
        request = songloom.GenerationRequest(
            prompt="piano", duration=0.1, seed=1, multi_band_diffusion=True
        )
        assert songloom.load(folder, dtype="float32").generate(request).seconds == 0.1
        with pytest.raises(SystemExit):
            diffusion.main()
        assert "exists already" in capsys.readouterr().err


def test_comparing_decodes_held_out_music(codec: Codec, tmp_path: Path) -> None:
    decoder = diffusion.train_diffusion(tmp_path, music, codec, SETTINGS)
    assert decoder is not None
    compared = diffusion.compare(decoder, codec, music, range(2))
    assert compared.codec.spectral > 0.1  # random weights
    assert compared.diffusion.mel > 0.1
    assert f"{compared.codec.high:.2f} dB" in str(compared)


def test_the_recipe_s_decoder_is_small() -> None:
    settings = DiffusionSettings()
    count = sum(tensor.numel() for tensor in UNet(settings.shape).parameters())
    assert 2 * count * settings.bands < 8e6  # bytes
