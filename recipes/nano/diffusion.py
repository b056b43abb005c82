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
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.nano.bank import load_bank
from recipes.nano.compose import compose
from recipes.nano.compose.theory import SAMPLE_RATE
from recipes.nano.losses import spectrum
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
HELD_OUT_FRAMES = 250
HIGH = 4_000
"""Hz from which the codec's decoder is weakest."""
QUIETEST = 0.03
"""Of the strongest band's deviation: what is weaker is a filter's leak, not to be blown up."""
Music = Callable[[int, int], Tensor]
"""Renders the piece of a seed: so many frames of it, (frames * hop,)."""


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
    """Of each band."""
    batch: int = 16
    frames: int = 50
    """Of an excerpt."""
    learning_rate: float = 1e-3
    warm_up: int = 100
    decay: float = 0.999
    """Of the running mean of the weights, which is what is kept."""
    save_every: int = 200


@dataclass(frozen=True)
class Comparison:
    """How far from the original two decoders are, on held-out music; less is better."""

    diffusion: float
    codec: float
    diffusion_high: float
    codec_high: float

    @property
    def better(self) -> bool:
        """Whether diffusion is nearer by both measures, neither of which it was trained on."""
        return self.diffusion < self.codec and self.diffusion_high < self.codec_high

    def __str__(self) -> str:
        return (
            f"log-spectral distance {self.diffusion:.3f} (codec {self.codec:.3f}); error of the "
            f"energy above {HIGH} Hz {self.diffusion_high:.2f} dB (codec {self.codec_high:.2f} dB)"
        )


class Excerpts:
    """Music to learn a band of, with the codec's latents.

    Args:
        music: renders pieces.
        codec: of the packed model.
        settings: of the training.
        band: which.
    """

    def __init__(self, music: Music, codec: Codec, settings: DiffusionSettings, band: int) -> None:
        self._music, self._settings, self._band = music, settings, band
        self._codec = Codec(codec.encodec, channels=settings.batch)  # rows are coded apart
        self._split = Bands(SAMPLE_RATE, settings.bands, codec.device)
        self._only = torch.eye(settings.bands)[band].to(codec.device)

    @torch.no_grad()
    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """The band of update `number`'s excerpts (B, N), and their latents (B, D, T)."""
        random, frames = Random(f"diffusion {self._band} {number}"), self._settings.frames
        rows = []
        for _ in range(self._settings.batch):
            seed, first = random.randrange(1_000_000_000), random.randrange(8 * frames)
            audio = self._music(seed, first + frames)[first * self._codec.hop :]
            rows.append(audio * (0.5 + random.random()))
        whole = torch.stack(rows).to(self._codec.device)
        latents = self._codec.latents(self._codec.encode(whole))
        return self._split.scaled(whole, self._only), latents

    def survey(self) -> BandProcessor:
        """A processor that knows how strong the bands of this music are."""
        config = ProcessorConfig(SAMPLE_RATE, power=self._settings.power)
        count = -(-self._settings.surveyed // self._settings.batch)
        heard = torch.cat([self.batch(-1 - i)[0] for i in range(count)])
        split = Bands(SAMPLE_RATE, config.bands, heard.device)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, heard.shape[-1], generator=generator).to(heard)
        processor = BandProcessor(config).to(heard.device)
        music = split.deviations(heard).square().mean(dim=0).sqrt()
        processor.deviation.copy_(music.clamp(min=QUIETEST * float(music.max())))
        processor.noise_deviation.copy_(split.deviations(noise)[0])
        return processor


def train_band(
    folder: Path,
    excerpts: Excerpts,
    settings: DiffusionSettings,
    band: int,
    condition_size: int,
    log: Log,
    stop: Callable[[], bool] = lambda: False,
    device: str = "cpu",
) -> Band | None:
    """Train one band, going on from `folder/diffusion-<band>.pt`; None when it was stopped."""
    path = folder / f"diffusion-{band}.pt"
    shape = UNetConfig(**(asdict(settings.shape) | {"condition_size": condition_size}))
    torch.manual_seed(band)
    unet = UNet(shape).to(device)
    mean = copy.deepcopy(unet).requires_grad_(False)
    optimizer = torch.optim.AdamW(unet.parameters(), settings.learning_rate, betas=(0.9, 0.99))
    state, step = load_checkpoint(path, device), 0
    if state is None:
        processor = excerpts.survey()
    else:
        step, processor = state["step"], BandProcessor(ProcessorConfig(**state["processor_config"]))
        processor.to(device).load_state_dict(state["processor"])
        unet.load_state_dict(state["model"])
        mean.load_state_dict(state["mean"])
        optimizer.load_state_dict(state["optimizer"])
    schedule = PowerSchedule(num_steps=shape.num_steps)

    def save() -> None:
        save_checkpoint(path, {
            "step": step, "model": unet.state_dict(), "mean": mean.state_dict(),
            "optimizer": optimizer.state_dict(), "processor": processor.state_dict(),
            "processor_config": asdict(processor.config),
        })  # fmt: skip

    losses: list[float] = []
    while step < settings.updates:
        if stop():
            save()
            log.write(f"band {band}: stopped at update {step} of {settings.updates}")
            return None
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate_at(step, settings)
        music, latents = excerpts.batch(step)
        loss = noise_loss(unet, schedule, processor, music, latents, step)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        step += 1
        kept = min(settings.decay, step / (step + 10))
        for slow, fast in zip(mean.parameters(), unet.parameters(), strict=True):
            slow.lerp_(fast.detach(), 1 - kept)
        losses.append(loss.item())
        if step % settings.save_every == 0 or step == settings.updates:
            save()
            shown = sum(losses) / len(losses)
            log.write(f"band {band}: update {step} of {settings.updates}, loss {shown:.4f}")
            losses.clear()
    return Band(mean.eval(), schedule, processor)


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
    return F.mse_loss(unet(schedule.noisy(clean, steps, noise), steps, latents), noise)


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
    """Train all bands, one after the other; None when it was stopped before all were done."""
    folder.mkdir(parents=True, exist_ok=True)
    log, bands = Log(folder / "diffusion.log"), []
    log.write(f"diffusion {asdict(settings)}")
    size = codec.encodec.config.hidden_size
    for index in range(settings.bands):
        excerpts = Excerpts(music, codec, settings, index)
        device = str(codec.device)
        band = train_band(folder, excerpts, settings, index, size, log, stop, device)
        if band is None:
            return None
        bands.append(band)
    return MultiBandDiffusion(bands, SAMPLE_RATE)


@torch.no_grad()
def compare(
    decoder: MultiBandDiffusion, codec: Codec, music: Music, seeds: range = HELD_OUT_SEEDS
) -> Comparison:
    """Both decoders on music that nothing was trained on."""
    measured = []
    for seed in seeds:
        audio = music(seed, HELD_OUT_FRAMES)[None].to(codec.device)
        codes = codec.encode(audio)
        made, coded = decoder.decode(codec, codes, seed), codec.decode(codes)
        measured.append(
            [f(x, audio) for f in (log_spectral_distance, high_error) for x in (made, coded)]
        )
    return Comparison(*(sum(values) / len(values) for values in zip(*measured, strict=True)))


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
    parser.add_argument("--updates", type=int, default=DiffusionSettings.updates, help="of a band")
    parser.add_argument("--minutes", type=float, default=math.inf, help="then stop; go on later")
    arguments = parser.parse_args()
    if (arguments.model / FOLDER).exists():
        parser.error(f"{arguments.model / FOLDER} exists already; remove it first")
    sampler = Sampler(load_bank(arguments.work / "bank.npz"))
    codec = read_codec(arguments.model, 1, torch.device(arguments.device), torch.float32)
    codec.fold_weight_norm()

    def music(seed: int, frames: int) -> Tensor:
        return torch.from_numpy(sampler.render(Excerpt(compose(seed), 0, frames)))

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
