"""Train the language model with its text encoder on the coded clips."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from recipes.nano.batches import NO_DROPOUT, Dropout, build_batch, draw_batch
from recipes.nano.model import ModelSettings, NanoModel
from recipes.nano.muon import Muon
from recipes.nano.runs import Clock, Log, load_checkpoint, save_checkpoint
from recipes.nano.tokens import Clips, load_held_out_clips, load_training_clips
from recipes.nano.workers import Workers


@dataclass(frozen=True)
class TrainingSettings:
    """How the language model is trained."""

    batch: int = 1  # of each process
    matrix_rate: float = 0.015  # Muon's
    embedding_rate: float = 3e-3
    head_rate: float = 2e-3
    warm_up: int = 100  # steps
    last_rate: float = 0.03  # of the first, at the end of the cosine
    clip: float = 1.0
    codebook_weights: tuple[float, ...] = (1.6, 1.0, 0.8, 0.6)
    held_out: int = 24  # clips
    report_seconds: float = 120.0
    reload_every: int = 100  # steps, for shards that came since


@dataclass(frozen=True)
class Scores:
    """Cross-entropy in nats and accuracy, of every codebook."""

    loss: Tensor
    accuracy: Tensor

    def __str__(self) -> str:
        def row(values: Tensor) -> str:
            return " ".join(f"{v:.3f}" for v in values.tolist())

        return f"CE {row(self.loss)}, accuracy {row(self.accuracy)}"


def codebook_losses(logits: Tensor, tokens: Tensor, special: int) -> Tensor:
    """Mean cross-entropy of each codebook, (K,).

    Args:
        logits: (B, K, S - 1, V), of which step s predicts token s + 1.
        tokens: (B, K, S) delayed; special tokens are no targets.
        special: the special token.
    """
    targets = tokens[:, :, 1:]
    return torch.stack([
        F.cross_entropy(
            logits[:, k].flatten(0, 1), targets[:, k].flatten(), ignore_index=special
        )
        for k in range(tokens.shape[1])
    ])  # fmt: skip


def optimizers(
    model: NanoModel, settings: TrainingSettings, workers: Workers
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for everything else."""
    matrices, embeddings, rest = [], [], []
    for name, parameter in model.named_parameters():
        if "embed" in name or "shared" in name or "relative_attention_bias" in name:
            embeddings.append(parameter)
        elif parameter.dim() == 2 and ".block" in name:
            matrices.append(parameter)
        else:
            rest.append(parameter)
    adam = torch.optim.AdamW(
        [
            {"params": embeddings, "lr": settings.embedding_rate},
            {"params": rest, "lr": settings.head_rate},
        ],
        betas=(0.9, 0.95),
        weight_decay=0.0,
    )
    return [adam, Muon(matrices, settings.matrix_rate, workers)]


def train_lm(
    folder: Path,
    tokenizer: Tokenizer,
    model_settings: ModelSettings,
    settings: TrainingSettings,
    budget: float,
    device: str = "cpu",
) -> NanoModel:
    """Train for `budget` seconds in all, going on from `folder/lm.pt` where that is.

    Shards that are added to `folder/tokens` meanwhile are taken up. Several processes may train
    together, see `workers`.
    """
    path = folder / "lm.pt"
    torch.manual_seed(0)
    model = NanoModel(model_settings).to(device)
    special = model.lm.config.special_token
    workers = Workers.join()
    steppers = optimizers(model, settings, workers)
    for stepper in steppers:
        for group in stepper.param_groups:
            group["peak"] = group["lr"]
    state = load_checkpoint(path, device)
    step, spent, frames = 0, 0.0, 0
    if state:
        model.load_state_dict(state["model"])
        for stepper, saved in zip(steppers, state["optimizers"], strict=True):
            stepper.load_state_dict(saved)
        step, spent, frames = state["step"], state["seconds"], state["frames"]
    clips, held_out = load_training_clips(folder / "tokens"), load_held_out_clips(folder / "tokens")
    weights = torch.tensor(settings.codebook_weights, device=device)
    weights = weights / weights.mean()
    clock = Clock(budget, spent)
    random = Random(step * workers.count + workers.rank)
    log = Log(folder / "lm.log", quiet=not workers.first)
    parameters = sum(p.numel() for p in model.parameters())
    log.write(f"lm {parameters} parameters, {asdict(model_settings)}, {asdict(settings)}")
    log.write(f"from step {step}, {spent:.0f} s spent of {budget:.0f} s, {len(clips)} clips")
    losses: list[float] = []
    next_report = clock.seconds + settings.report_seconds

    def save() -> None:
        save_checkpoint(path, {
            "model": model.state_dict(), "optimizers": [s.state_dict() for s in steppers],
            "step": step, "seconds": clock.seconds, "frames": frames,
            "settings": asdict(model_settings),
        })  # fmt: skip

    model.train()
    while (share := workers.of_first(clock.share)) < 1:
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        rate = settings.last_rate + (1 - settings.last_rate) * cosine
        rate *= min(1.0, (step + 1) / settings.warm_up)
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = group["peak"] * rate
        batch = draw_batch(clips, tokenizer, settings.batch, Dropout(), special, random).to(device)
        logits = model(batch.tokens[:, :, :-1], batch.text, batch.heard, batch.chroma)
        loss_per_codebook = codebook_losses(logits, batch.tokens, special)
        model.zero_grad()
        torch.autograd.backward((loss_per_codebook * weights).mean())
        workers.average_gradients(model.parameters())
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for stepper in steppers:
            stepper.step()
        step += 1
        frames += settings.batch * clips.codes.shape[-1] * workers.count
        losses.append(loss_per_codebook.mean().item())
        if step % settings.reload_every == 0:
            clips = load_training_clips(folder / "tokens")
        if workers.first and clock.seconds >= next_report:
            scores = evaluate_lm(model, held_out, tokenizer, settings.held_out, device)
            log.write(
                f"{clock.seconds:.0f} s step {step}, {frames / 1e6:.2f} M frames, "
                f"{len(clips)} clips: training CE {sum(losses) / len(losses):.3f} | "
                f"held out, text only: {scores}"
            )
            losses.clear()
            save()
            next_report = clock.seconds + settings.report_seconds
    if workers.first:
        save()
        scores = evaluate_lm(model, held_out, tokenizer, len(held_out), device)
        log.write(f"end: step {step}, {scores}")
    return model.eval()


def load_model(folder: Path) -> NanoModel:
    """The model as last saved in `folder`."""
    state = load_checkpoint(folder / "lm.pt")
    if state is None:
        raise FileNotFoundError(f"{folder / 'lm.pt'} is not there; run the lm stage first")
    model = NanoModel(ModelSettings(**state["settings"]))
    model.load_state_dict(state["model"])
    return model.eval().requires_grad_(False)


@torch.no_grad()
def evaluate_lm(
    model: NanoModel,
    clips: Clips,
    tokenizer: Tokenizer,
    count: int,
    device: str = "cpu",
    dropout: Dropout = NO_DROPOUT,
) -> Scores:
    """Scores on the first `count` clips, with always the same captions."""
    was_training = model.training
    model.eval()
    special = model.lm.config.special_token
    losses, shares = [], []
    for row in range(min(count, len(clips))):
        batch = build_batch(clips, [row], tokenizer, dropout, special, Random(row)).to(device)
        logits = model(batch.tokens[:, :, :-1], batch.text, batch.heard, batch.chroma)
        targets = batch.tokens[:, :, 1:]
        known = targets != special
        hits = (logits.argmax(-1) == targets) & known
        losses.append(codebook_losses(logits, batch.tokens, special))
        shares.append(hits.sum(dim=(0, 2)) / known.sum(dim=(0, 2)))
    model.train(was_training)
    return Scores(torch.stack(losses).mean(0), torch.stack(shares).mean(0))
