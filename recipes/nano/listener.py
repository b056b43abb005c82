"""From audio to codes: the part of the codec that has to be learned.

A frame of samples is described by a few linear measures; an LSTM follows them, since what sounds in
a frame is clearest from how it began; a convolution looks a little ahead. The result has a part for
every section of the band, in which the nearest of the section's code vectors is its code.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.nano.bank import Bank
from recipes.nano.clips import held_out_clip, training_clip
from recipes.nano.codes import CODEBOOK_SIZE
from recipes.nano.compose.instruments import SECTIONS
from recipes.nano.compose.theory import FRAME
from recipes.nano.factors import Shared
from recipes.nano.runs import Clock, GoesOn, Log, forever, load_checkpoint, save_checkpoint
from recipes.nano.sampler import Sampler
from recipes.nano.score import tokens
from recipes.nano.synthesis import CROSSFADE, Synthesis

FIRST_SEED = 500_000_000  # of what it is trained on
LOUDEST, QUIETEST = 1.5, 0.4  # gains of excerpts
NOISE = 0.003  # the most that is added, root mean square
STRANGE = 0.35  # share of excerpts that instruments play which are not in the band
OFF_GRID = 0.2  # share of excerpts that are shifted by up to half a frame


@dataclass(frozen=True)
class ListenerSettings:
    """Size and training."""

    measures: int = 256
    width: int = 32  # of each section's part
    reach: int = 5  # frames that the convolution sees
    steps: int = 2500
    batch: int = 12
    frames: int = 100
    rate: float = 2e-3
    table_rate: float = 5e-3
    warm_up: int = 50
    held_out: int = 24  # clips
    report_seconds: float = 60.0


class Listener(nn.Module):
    """Samples to parts, and the code vectors that they are compared with."""

    def __init__(self, settings: ListenerSettings) -> None:
        super().__init__()
        size, parts = settings.measures, len(SECTIONS) * settings.width
        self.measure = nn.Linear(FRAME, size)
        self.lstm = nn.LSTM(size, size, batch_first=True)
        self.look = nn.Conv1d(size, parts, settings.reach)
        self.own = nn.Parameter(0.15 * torch.randn(len(SECTIONS), CODEBOOK_SIZE, settings.width))
        self.shared = nn.ModuleList(
            Shared(range(section, section + 1), settings.width, 0.2)
            for section in range(len(SECTIONS))
        )

    def vectors(self) -> Tensor:
        """The code vectors: (sections, codes, width)."""
        return torch.stack([
            shared(own) for shared, own in zip(self.shared, self.own, strict=True)
        ])  # fmt: skip

    def forward(self, audio: Tensor) -> Tensor:
        """Samples (B, T * FRAME) -> parts (B, T, sections, width)."""
        measures = self.measure(audio.view(len(audio), -1, FRAME))
        followed = F.elu(self.lstm(measures)[0] + measures).transpose(1, 2)
        side = self.look.kernel_size[0] // 2
        parts = self.look(F.pad(followed, (side, side), mode="reflect")).transpose(1, 2)
        return parts.unflatten(2, (len(SECTIONS), -1))

    def logits(self, audio: Tensor) -> Tensor:
        """Samples (B, T * FRAME) -> (sections, B, T, codes): how near each code is."""
        parts, vectors = self(audio), self.vectors()
        near = torch.einsum("btqd,qcd->qbtc", parts, vectors)
        return 2 * near - vectors.square().sum(-1)[:, None, None]

    def codes(self, audio: Tensor) -> Tensor:
        """Samples (B, T * FRAME) -> codes (B, sections, T)."""
        return self.logits(audio).argmax(-1).transpose(0, 1)


@torch.no_grad()
def start_from(listener: Listener, synthesis: Synthesis) -> None:
    """Let the measures be the weights of the codec's waveforms."""
    waveforms = synthesis.waveforms[:, CROSSFADE:]
    weights = torch.linalg.pinv(waveforms).t()
    spread = 1 / synthesis.vectors.square().mean(1).sum(0).sqrt().clamp(min=1e-3)
    weights = weights * (0.5 * spread[:, None])
    listener.measure.weight[: len(weights)] = weights[: len(listener.measure.weight)]
    listener.measure.bias.zero_()


def excerpt(
    sampler: Sampler, strangers: Sequence[Bank], seed: int, frames: int
) -> tuple[Tensor, Tensor]:
    """What is heard, (frames * FRAME,), and its codes (sections, frames)."""
    random = Random(seed)
    clip = training_clip(seed, frames + 2)
    if strangers and random.random() < STRANGE:
        guests = {name: random.choice(strangers)[name] for name in strangers[0]}
        sampler = Sampler(guests)
    audio = sampler.render(clip.excerpt)
    codes = tokens(clip.excerpt)[:, 1:-1]
    shift = random.randint(-FRAME // 2, FRAME // 2) if random.random() < OFF_GRID else 0
    heard = audio[FRAME + shift : FRAME * (frames + 1) + shift].copy()
    heard *= QUIETEST + random.random() * (LOUDEST - QUIETEST)
    noise = np.random.default_rng(seed).standard_normal(len(heard), dtype=np.float32)
    heard += NOISE * random.random() ** 2 * noise
    return torch.from_numpy(heard), torch.from_numpy(codes)


def train_listener(
    folder: Path,
    sampler: Sampler,
    strangers: Sequence[Bank],
    synthesis: Synthesis,
    settings: ListenerSettings,
    device: str = "cpu",
    goes_on: GoesOn = forever,
) -> Listener:
    """Train for `settings.steps` in all, going on from `folder/listener.pt` where that is."""
    path, log = folder / "listener.pt", Log(folder / "listener.log")
    torch.manual_seed(0)
    listener = Listener(settings)
    start_from(listener, synthesis)
    listener.to(device)
    tables = [*listener.shared.parameters(), listener.own]
    chosen = {id(table) for table in tables}
    rest = [p for p in listener.parameters() if id(p) not in chosen]
    optimizer = torch.optim.AdamW(
        [{"params": rest, "peak": settings.rate}, {"params": tables, "peak": settings.table_rate}],
        lr=settings.rate,
        betas=(0.9, 0.98),
        weight_decay=0.0,
    )
    state, step = load_checkpoint(path, device), 0
    if state:
        listener.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    clock = Clock(state["seconds"] if state else 0.0)
    log.write(f"listener {asdict(settings)} from step {step}")
    next_report, losses = clock.seconds + settings.report_seconds, []

    def save() -> None:
        save_checkpoint(path, {
            "model": listener.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
            "seconds": clock.seconds, "settings": asdict(settings),
        })  # fmt: skip

    while step < settings.steps and goes_on(step):
        share = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        for group in optimizer.param_groups:
            group["lr"] = (
                group["peak"] * (0.02 + 0.98 * share) * min(1, (step + 1) / settings.warm_up)
            )
        first = FIRST_SEED + step * settings.batch
        drawn = [
            excerpt(sampler, strangers, seed, settings.frames)
            for seed in range(first, first + settings.batch)
        ]
        audio, codes = (torch.stack(part).to(device) for part in zip(*drawn, strict=True))
        logits = listener.logits(audio)
        loss = F.cross_entropy(logits.flatten(0, 2), codes.transpose(0, 1).flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(listener.parameters(), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())
        if clock.seconds >= next_report:
            shares = evaluate_listener(listener, sampler, settings.held_out, device)
            log.write(
                f"{clock.seconds:.0f} s step {step} loss {np.mean(losses):.3f} | held out: "
                + ", ".join(f"{n} {s:.3f}" for n, s in zip(SECTIONS, shares, strict=True))
            )
            losses.clear()
            save()
            next_report = clock.seconds + settings.report_seconds
    save()
    shares = evaluate_listener(listener, sampler, settings.held_out, device)
    log.write(f"end: step {step}: {dict(zip(SECTIONS, shares, strict=True))}")
    return listener.eval()


@torch.no_grad()
def evaluate_listener(
    listener: Listener, sampler: Sampler, count: int, device: str = "cpu", frames: int = 250
) -> list[float]:
    """Share of codes heard rightly, of every section, on the first held-out clips."""
    right = torch.zeros(len(SECTIONS))
    for number in range(count):
        clip = held_out_clip(number, frames)
        audio = torch.from_numpy(sampler.render(clip.excerpt))[None].to(device)
        true = torch.from_numpy(tokens(clip.excerpt))
        right += (listener.codes(audio)[0].cpu() == true).float().mean(dim=1)
    return (right / count).tolist()


def load_listener(folder: Path) -> Listener:
    """The listener as last saved in `folder`."""
    state = load_checkpoint(folder / "listener.pt")
    if state is None:
        raise FileNotFoundError(f"{folder / 'listener.pt'} is not there; run the codec stage first")
    listener = Listener(ListenerSettings(**state["settings"]))
    listener.load_state_dict(state["model"])
    return listener.eval().requires_grad_(False)
