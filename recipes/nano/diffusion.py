"""Train a diffusion decoder for the codec of a packed model: `python -m recipes.nano.diffusion`.

Four small networks, one for each band of frequencies, learn to find the noise in music, given the
codec's latents (San Roman et al., 2023). What an update sees follows from its number alone, so a
training that was stopped goes on as if it had not been. At the end held-out music is decoded by
diffusion and by the codec, and the result is written into the model's folder only if it is nearer
to the original than the codec's.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.nano.bank import load_bank
from recipes.nano.codec.lapped import HOP
from recipes.nano.compose import compose
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE
from recipes.nano.losses import mel_distance, spectrum
from recipes.nano.runs import Log, load_checkpoint, save_checkpoint
from recipes.nano.sampler import Sampler
from recipes.nano.score import Excerpt
from songloom.checkpoints.codec_files import read_codec
from songloom.checkpoints.diffusion_files import FOLDER, write_diffusion
from songloom.models.bands import BandProcessor, Bands, ProcessorConfig
from songloom.models.codec import Codec
from songloom.models.diffusion import Band, MultiBandDiffusion
from songloom.models.diffusion_schedule import PowerSchedule
from songloom.models.diffusion_unet import UNet, UNetConfig

ROOT = Path(__file__).parents[2]
HELD_OUT_SEEDS = range(2_000_000_000, 2_000_000_016)
HELD_OUT_FRAMES = 500
HIGH = 4_000
"""Hz from which the codec's decoder is weakest."""
QUIETEST = 0.03
"""Of the strongest band's deviation: what is weaker is a filter's leak, not to be blown up."""
Music = Callable[[int, int, int], tuple[Tensor, Tensor]]
"""Of the piece of a seed, from some frame on, so many frames: audio (frames * hop,), and its codes
(K, frames)."""


@dataclass(frozen=True)
class DiffusionSettings:
    """Size and training of the decoder."""

    bands: int = 4
    shape: UNetConfig = field(
        default_factory=lambda: UNetConfig(hidden=16, growth=2.0, max_channels=128)
    )
    """Its `condition_size` is the codec's."""
    power: float = 0.75
    """How far the strengths of music's bands are made those of noise."""
    surveyed: int = 32
    """Excerpts from which these are known."""
    updates: int = 20_000
    batch: int = 8
    frames: int = 50
    """Of an excerpt."""
    learning_rate: float = 1e-3
    warm_up: int = 100
    decay: float = 0.999
    """Of the running mean of the weights, which is what is kept."""
    save_every: int = 100
    half_precision: bool = True
    """bfloat16 for the products."""


@dataclass(frozen=True)
class Distances:
    """How far from the original a decoder is, on held-out music; less is better."""

    spectral: float
    """See `log_spectral_distance`."""
    mel: float
    """See `mel_distance`: what lies low counts for more."""
    high: float
    """Error of the energy above `HIGH`, dB."""

    def __str__(self) -> str:
        return (
            f"log-spectral distance {self.spectral:.3f}, mel distance {self.mel:.3f}, "
            f"error of the energy above {HIGH} Hz {self.high:.2f} dB"
        )


@dataclass(frozen=True)
class Comparison:
    """Two decoders of the same codes."""

    diffusion: Distances
    codec: Distances

    @property
    def better(self) -> bool:
        """Whether diffusion is nearer in the spectrum, high and low; it was trained on neither."""
        return self.diffusion.spectral < self.codec.spectral and self.diffusion.mel < self.codec.mel

    def __str__(self) -> str:
        return f"diffusion: {self.diffusion}\ncodec:     {self.codec}"


class Excerpts:
    """Music to learn from, with the codec's latents.

    Args:
        music: renders pieces.
        codec: of the packed model.
        settings: of the training.
    """

    def __init__(self, music: Music, codec: Codec, settings: DiffusionSettings) -> None:
        self._music, self._settings = music, settings
        self._codec = codec

    @torch.no_grad()
    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Update `number`'s excerpts (B, N), and their latents (B, D, T)."""
        random, frames = Random(f"diffusion {number}"), self._settings.frames
        rows = [
            self._music(random.randrange(1_000_000_000), random.randrange(8 * frames), frames)
            for _ in range(self._settings.batch)
        ]
        audio, codes = (
            torch.stack(part).to(self._codec.device) for part in zip(*rows, strict=True)
        )
        latents = [self._codec.latents(of_row) for of_row in codes]
        return audio, torch.cat(latents)


class BandTraining:
    """The training of one band.

    Args:
        settings: of the training.
        band: which.
        condition_size: of the codec's latents.
        device: where.
    """

    def __init__(
        self, settings: DiffusionSettings, band: int, condition_size: int, device: torch.device
    ) -> None:
        shape = UNetConfig(**(asdict(settings.shape) | {"condition_size": condition_size}))
        torch.manual_seed(band)
        self._settings, self._band = settings, band
        self._unet = UNet(shape).to(device)
        self._mean = copy.deepcopy(self._unet).requires_grad_(False)
        self._optimizer = torch.optim.AdamW(
            self._unet.parameters(), settings.learning_rate, betas=(0.9, 0.99)
        )
        self._schedule = PowerSchedule(num_steps=shape.num_steps)
        self._split = Bands(SAMPLE_RATE, settings.bands, device)
        self._only = torch.eye(settings.bands)[band].to(device)
        self._processor = BandProcessor(ProcessorConfig(SAMPLE_RATE, power=settings.power))
        self._processor.to(device)

    def heard(self, whole: Tensor) -> Tensor:
        """The band of excerpts (B, N)."""
        return self._split.scale_bands(whole, self._only)

    def survey(self, excerpts: Sequence[Tensor]) -> None:
        """Learn how strong the bands of this music are, from excerpts (B, N)."""
        heard = self.heard(torch.cat(list(excerpts)))
        split = Bands(SAMPLE_RATE, self._processor.config.bands, heard.device)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, heard.shape[-1], generator=generator).to(heard)
        music = split.deviations(heard).square().mean(dim=0).sqrt()
        self._processor.deviation.copy_(music.clamp(min=QUIETEST * float(music.max())))
        self._processor.noise_deviation.copy_(split.deviations(noise)[0])

    def update(self, whole: Tensor, latents: Tensor, step: int) -> float:
        """Learn from excerpts (B, N) with their latents (B, D, T); returns the loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * rate_at(step, self._settings)
        music, number = self.heard(whole), step * self._settings.bands + self._band
        with torch.autocast(
            whole.device.type, torch.bfloat16, enabled=self._settings.half_precision
        ):
            loss = noise_loss(self._unet, self._schedule, self._processor, music, latents, number)
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._unet.parameters(), 1.0)
        self._optimizer.step()
        kept = min(self._settings.decay, (step + 1) / (step + 11))
        for slow, fast in zip(self._mean.parameters(), self._unet.parameters(), strict=True):
            slow.lerp_(fast.detach(), 1 - kept)
        return loss.item()

    def state(self) -> dict[str, Any]:
        """What is needed to go on."""
        return {
            "model": self._unet.state_dict(), "mean": self._mean.state_dict(),
            "optimizer": self._optimizer.state_dict(), "processor": self._processor.state_dict(),
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._unet.load_state_dict(state["model"])
        self._mean.load_state_dict(state["mean"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._processor.load_state_dict(state["processor"])

    def band(self) -> Band:
        """As it is now."""
        return Band(self._mean.eval(), self._schedule, self._processor)


def noise_loss(
    unet: UNet,
    schedule: PowerSchedule,
    processor: BandProcessor,
    music: Tensor,
    latents: Tensor,
    number: int,
) -> Tensor:
    """Mean squared error of the noise that is found in music (B, N), at steps of its own a row."""
    generator = torch.Generator().manual_seed(number)
    steps = torch.randint(schedule.num_steps, (len(music),), generator=generator)
    noise = torch.randn(music.shape, generator=generator)[:, None].to(music)
    steps = steps.to(music.device)
    clean = processor.project(music)[:, None]
    found = unet(schedule.add_noise(clean, steps, noise), steps, latents)
    return F.mse_loss(found.float(), noise)


def rate_at(step: int, settings: DiffusionSettings) -> float:
    """Share of the learning rate: a warm-up, then half a cosine down to a twentieth."""
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / settings.updates)
    return min(1.0, (step + 1) / settings.warm_up) * (0.05 + 0.95 * cosine)


def train_diffusion(
    folder: Path,
    music: Music,
    codec: Codec,
    settings: DiffusionSettings,
    stop: Callable[[], bool] = lambda: False,
) -> MultiBandDiffusion | None:
    """Train all bands, going on from `folder/diffusion.pt`; None when it was stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "diffusion.pt", Log(folder / "diffusion.log")
    excerpts = Excerpts(music, codec, settings)
    size = codec.encodec.config.hidden_size
    bands = [BandTraining(settings, band, size, codec.device) for band in range(settings.bands)]
    state, step = load_checkpoint(path, str(codec.device)), 0
    if state is not None:
        step = state["step"]
        for band, saved in zip(bands, state["bands"], strict=True):
            band.load(saved)
    else:
        count = -(-settings.surveyed // settings.batch)
        surveyed = [excerpts.batch(-1 - number)[0] for number in range(count)]
        for band in bands:
            band.survey(surveyed)
    log.write(f"diffusion {asdict(settings)}, from update {step}")
    losses: list[list[float]] = []
    while step < settings.updates:
        stopped = stop()
        if stopped or (losses and step % settings.save_every == 0):
            save_checkpoint(path, {"step": step, "bands": [band.state() for band in bands]})
            shown = [f"{sum(of) / len(of):.4f}" for of in zip(*losses, strict=True)]
            log.write(f"update {step} of {settings.updates}, losses {' '.join(shown)}")
            losses.clear()
        if stopped:
            return None
        whole, latents = excerpts.batch(step)
        losses.append([band.update(whole, latents, step) for band in bands])
        step += 1
    save_checkpoint(path, {"step": step, "bands": [band.state() for band in bands]})
    return MultiBandDiffusion([band.band() for band in bands], SAMPLE_RATE)


@torch.no_grad()
def compare(
    decoder: MultiBandDiffusion, codec: Codec, music: Music, seeds: range = HELD_OUT_SEEDS
) -> Comparison:
    """Both decoders on music that nothing was trained on."""
    measured: tuple[list[Distances], list[Distances]] = ([], [])
    for seed in seeds:
        audio = music(seed, 0, HELD_OUT_FRAMES)[0][None].to(codec.device)
        codes = codec.encode(audio)
        for of, made in zip(
            measured, (decoder.decode(codec, codes, seed), codec.decode(codes)), strict=True
        ):
            of.append(
                Distances(
                    log_spectral_distance(made, audio),
                    mel_distance(made, audio).item(),
                    high_error(made, audio),
                )
            )
    return Comparison(*map(_mean, measured))


def _mean(several: Sequence[Distances]) -> Distances:
    rows = [astuple(each) for each in several]
    return Distances(*(sum(column) / len(column) for column in zip(*rows, strict=True)))


def log_spectral_distance(estimate: Tensor, target: Tensor) -> float:
    """Root mean square difference of log10 power spectra (B, N), mean of three resolutions."""
    total = 0.0
    for window in (512, 1024, 2048):
        a, b = (spectrum(x, window).abs().square().add(1e-6).log10() for x in (estimate, target))
        total += float((a - b).square().mean().sqrt()) / 3
    return total


def high_error(estimate: Tensor, target: Tensor) -> float:
    """Difference of the energies above `HIGH` of (B, N), in dB either way."""
    first = round(HIGH / SAMPLE_RATE * 1024)
    a, b = (
        float(spectrum(x, 1024)[:, first:].abs().square().sum()) + 1e-6 for x in (estimate, target)
    )
    return abs(10 * math.log10(a / b))


def publish(decoder: MultiBandDiffusion, model: Path) -> Path:
    """Write the decoder into a model's folder, in half precision: it has to be small."""
    halved = copy.deepcopy(decoder)
    halved.bands.half()
    write_diffusion(halved, model / FOLDER)
    return model / FOLDER


def main() -> None:
    """Train, compare, and publish if that helps."""
    parser = argparse.ArgumentParser(prog="python -m recipes.nano.diffusion", description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "nano")
    parser.add_argument("--model", type=Path, default=ROOT / "src" / "songloom" / "assets" / "nano")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--updates", type=int, default=DiffusionSettings.updates, help="in all")
    parser.add_argument("--minutes", type=float, default=math.inf, help="then stop; go on later")
    arguments = parser.parse_args()
    if (arguments.model / FOLDER).exists():
        parser.error(f"{arguments.model / FOLDER} exists already; remove it first")
    sampler = Sampler(load_bank(arguments.work / "bank.npz"))
    codec = read_codec(arguments.model, 1, torch.device(arguments.device), torch.float32)
    codec.fold_weight_norm()

    def music(seed: int, first: int, frames: int) -> tuple[Tensor, Tensor]:
        excerpt = Excerpt(compose(seed), first * HOP // FRAME, frames * HOP // FRAME)
        audio = torch.from_numpy(sampler.render(excerpt))
        return audio, codec.encode(audio[None].to(codec.device))[0].cpu()

    end = time.monotonic() + 60 * arguments.minutes
    settings = DiffusionSettings(updates=arguments.updates)
    decoder = train_diffusion(
        arguments.work, music, codec, settings, lambda: time.monotonic() > end
    )
    if decoder is None:
        print("stopped; the same command goes on")
        return
    compared = compare(decoder, codec, music)
    print(compared)
    if compared.better:
        print(f"published as {publish(decoder, arguments.model)}")
    else:
        print("not published: the codec's own decoder is nearer to the original")


if __name__ == "__main__":
    main()
