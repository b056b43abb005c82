"""Train the codec's decoder; what was fitted of encoder and codebooks stays.

Trained along, the encoder gave loudness of bands, which the mel losses hear, the bits that pitch
and waveform had: on recordings SI-SDR and chroma fell while every loss did. And codes that stay
let a language model begin while the decoder is still learning.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.nano.codec.fit import Fit
from recipes.nano.codec.lapped import HOP, cosine_basis
from recipes.nano.codec.losses import LossWeights, measure_losses
from recipes.nano.codec.network import FrameCodec
from recipes.nano.codec.probe import measure_fidelity
from recipes.nano.runs import Clock, GoesOn, Log, forever, load_checkpoint, save_checkpoint
from recipes.nano.sounds.mastering import master


@dataclass(frozen=True)
class Rates:
    """Adam's learning rates of the decoder's parts."""

    from_latents: float = 1e-4
    decoder_lstm: float = 2e-4
    synthesis: float = 2e-5


@dataclass(frozen=True)
class CodecSettings:
    """How the codec is trained."""

    width: int = 350
    kernel: int = 7
    steps: int = 10_000
    batch: int = 8
    frames: int = 128
    """Of an excerpt."""
    rates: Rates = field(default_factory=Rates)
    weights: LossWeights = field(default_factory=LossWeights)
    warm_up: int = 150
    last_rate: float = 0.05
    """Of the first, at the end of the cosine."""
    report_seconds: float = 600.0
    """Of processor time."""

    def rate(self, step: int) -> float:
        """The factor of the learning rates at a step."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return (self.last_rate + (1 - self.last_rate) * cosine) * min(1, (step + 1) / self.warm_up)


def train_codec(
    path: Path,
    start: FrameCodec,
    fit: Fit,
    pools: Sequence[np.ndarray],
    pieces: list[Tensor],
    settings: CodecSettings,
    goes_on: GoesOn = forever,
) -> FrameCodec:
    """Train for `settings.steps` in all, going on from `path` where that is.

    Args:
        path: of the checkpoint; the log and the curve lie beside it.
        start: what a new training starts from.
        fit: what that was made from.
        pools: mixes (clips, samples) of 16 bits, each pool as likely as any other.
        pieces: recordings (N,) that are never trained on, for the curve; there may be none.
        settings: how to train.
        goes_on: asked before every step.
    """
    codec = start
    state = load_checkpoint(path)
    parts = {name: getattr(codec, name) for name in asdict(settings.rates)}
    optimizer = torch.optim.AdamW(
        [
            {"params": parts[name].parameters(), "peak": rate}
            for name, rate in asdict(settings.rates).items()
        ],
        betas=(0.9, 0.98),
        weight_decay=0.0,
    )
    step = 0
    if state:
        codec.load_state_dict(state["codec"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    clock = Clock(state["seconds"] if state else 0.0)
    log = Log(path.with_suffix(".log"))
    log.write(f"codec from step {step}: {asdict(settings)}")
    emphasis = _find_emphasis(fit)
    next_report = clock.seconds + (settings.report_seconds if state else 0.0)
    recent: list[list[float]] = []

    def save() -> None:
        save_checkpoint(path, {
            "codec": codec.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
            "seconds": clock.seconds, "shape": shape_of(codec),
        })  # fmt: skip

    while step < settings.steps and goes_on(step):
        if clock.seconds >= next_report:
            save()
            log.write(_report(codec, pieces, step, clock.seconds, recent))
            recent.clear()
            next_report = clock.seconds + settings.report_seconds
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * settings.rate(step)
        audio = draw_excerpts(pools, settings.batch, settings.frames, step)
        with torch.no_grad():
            quantized, _ = codec.quantize(codec.encode(audio))
        losses = measure_losses(codec.decode(quantized), audio, emphasis)
        weights = settings.weights
        loss = (
            losses.mel + losses.other_mel + weights.tones * losses.tones
            + weights.pitch * losses.pitch
            + weights.wave * 0.5 * (losses.wave + losses.weighted_wave)
        )  # fmt: skip
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        step += 1
        parts_of_loss = (losses.mel, losses.tones, losses.pitch, losses.wave)
        recent.append([part.item() for part in parts_of_loss])
    save()
    log.write(_report(codec, pieces, step, clock.seconds, recent))
    return codec


def shape_of(codec: FrameCodec) -> dict[str, int]:
    """The arguments that build a network of this shape."""
    codebooks, size, latent = codec.embed.shape
    return {
        "width": codec.analysis.out_features, "latent": latent, "codebooks": codebooks,
        "size": size, "kernel": codec.to_latents.kernel_size[0],
        "lifted": int((codec.encoder_lift > 0).sum()),
    }  # fmt: skip


def draw_excerpts(pools: Sequence[np.ndarray], batch: int, frames: int, step: int) -> Tensor:
    """Excerpts (B, frames * HOP) of a step, mastered; the same step draws the same."""
    random = np.random.default_rng(step)
    rows = []
    for _ in range(batch):
        pool = pools[random.integers(len(pools))]
        start = random.integers(pool.shape[1] - frames * HOP + 1)
        rows.append(pool[random.integers(len(pool)), start : start + frames * HOP])
    return master(torch.from_numpy(np.stack(rows).astype(np.float32) / 32767), random)


def _find_emphasis(fit: Fit) -> Tensor:
    """How much the fit weighs each coefficient of the transform: (HOP,)."""
    raised = fit.analysis @ cosine_basis()
    plain = fit.synthesis @ cosine_basis()
    return (raised.square().sum(0) / plain.square().sum(0)) ** 0.25


def _report(
    codec: FrameCodec, pieces: list[Tensor], step: int, seconds: float, recent: list[list[float]]
) -> str:
    means = np.mean(recent, axis=0) if recent else np.full(4, np.nan)
    trained = "mel {:.3f}, tones {:.3f}, pitch {:.3f}, wave {:.2f} dB".format(*means)
    now = time.strftime("%Y-%m-%d %H:%M")
    carried = measure_fidelity(pieces, lambda audio: codec(audio).audio) if pieces else "none"
    return f"{now} step {step}, {seconds:.0f} s: training {trained} | recordings {carried}"
