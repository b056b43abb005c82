"""Train the language model with its text encoder on the coded clips."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recipes.nano.batches import (
    MOSTLY_MELODY,
    NO_DROPOUT,
    NO_MELODY,
    Batch,
    Dropout,
    build_batch,
    draw_batch,
)
from recipes.nano.clips import held_out_clip
from recipes.nano.codec.coder import Coder
from recipes.nano.model import ModelSettings, NanoModel, ScoreReader
from recipes.nano.muon import Muon
from recipes.nano.reading import Reader, captions, read_encoder
from recipes.nano.runs import Clock, GoesOn, Log, forever, load_checkpoint, save_checkpoint
from recipes.nano.sampler import Sampler
from recipes.nano.workers import Workers

MOST_CLIPS = 1000  # of a step and a process: what their numbers are apart
FIRST_READ = 900_000_000  # seed of the captions that are read


@dataclass(frozen=True)
class TrainingSettings:
    """How the language model is trained."""

    steps: int = 4000
    batch: int = 2  # whole clips, of each process: every fourth step
    middle_batch: int = 6  # beginnings with melodies or chords: every fourth step
    middle_frames: int = 125
    short_batch: int = 16  # short beginnings without melodies, in the other half: more captions
    short_frames: int = 64
    matrix_rate: float = 0.015  # Muon's
    embedding_rate: float = 3e-3
    head_rate: float = 2e-3
    warm_up: int = 100  # steps
    last_rate: float = 0.03  # of the first, at the end of the cosine
    clip: float = 1.0
    doubt: float = 0.95  # share of "anything" in what rows without conditions learn, see below
    doubting: float = 0.15  # weight of their loss
    read: int = 48  # captions of a step and a process that are only read
    reading: float = 0.03  # weight of that loss, of all facts together
    scoring: float = 0.1  # weight of the loss of what is played next, of all labels together
    half_precision: bool = True  # bfloat16 for the matrix products
    held_out: int = 12  # clips
    held_out_at_end: int = 100
    report_seconds: float = 120.0

    def shape(self, step: int, whole: int) -> tuple[int, int, Dropout]:
        """What a process draws in a step: how many clips, how many frames of them, and how."""
        if step % 4 == 0:
            return self.batch, whole, Dropout()
        if step % 4 == 2:
            return self.middle_batch, min(self.middle_frames, whole), MOSTLY_MELODY
        return self.short_batch, min(self.short_frames, whole), NO_MELODY

    def to_read(self, step: int, workers: Workers) -> range:
        """Seeds of the captions that a process only reads in a step."""
        first = FIRST_READ + (step * workers.count + workers.rank) * self.read
        return range(first, first + self.read)

    def rate(self, step: int) -> float:
        """What the learning rates are multiplied with at a step."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return (self.last_rate + (1 - self.last_rate) * cosine) * min(1, (step + 1) / self.warm_up)


class Draws(Dataset[tuple[Batch, Tensor, Tensor]]):
    """What every step takes, for this process among those that train; none has a clip twice."""

    def __init__(
        self,
        settings: TrainingSettings,
        whole: int,
        tokenizer: Tokenizer,
        sampler: Sampler,
        coder: Coder,
        workers: Workers,
    ) -> None:
        self._settings, self._whole, self._coder = settings, whole, coder
        self._tokenizer, self._sampler, self._workers = tokenizer, sampler, workers

    def __len__(self) -> int:
        return self._settings.steps

    def __getitem__(self, step: int) -> tuple[Batch, Tensor, Tensor]:
        """The batch of a step, and the captions that are only read, with their facts."""
        size, length, dropout = self._settings.shape(step, self._whole)
        first = (step * self._workers.count + self._workers.rank) * MOST_CLIPS
        numbers = range(first, first + size)
        batch = draw_batch(
            numbers, length, self._whole, self._tokenizer, self._sampler, self._coder, dropout
        )
        return batch, *captions(self._settings.to_read(step, self._workers), self._tokenizer)


@dataclass(frozen=True)
class Scores:
    """Cross-entropy in nats and accuracy, of every codebook."""

    loss: Tensor
    accuracy: Tensor

    def __str__(self) -> str:
        return f"CE {_row(self.loss)}, accuracy {_row(self.accuracy)}"


def codebook_losses(logits: Tensor, tokens: Tensor, special: int, doubt: float = 0.0) -> Tensor:
    """Mean cross-entropy of each codebook, (K,).

    Guidance moves away from what the model says without any condition, so noise in that is raised
    to a power. Rows without conditions therefore learn a mixture: mostly that anything may come,
    and a little of what does. What is improbable is as the first part has it, and guidance makes
    it more so; where several continuations are likely without any words, as they are once a piece
    is under way, guidance leaves their shares alone. Were "anything" the whole of it, the music
    would stay on one chord, since staying is a little likelier than each of the others.

    Args:
        logits: (B, K, S - 1, V), of which step s predicts token s + 1.
        tokens: (B, K, S) delayed; special tokens are no targets.
        special: the special token.
        doubt: the share of "anything".
    """
    targets = tokens[:, :, 1:]
    return torch.stack([
        F.cross_entropy(
            logits[:, k].flatten(0, 1), targets[:, k].flatten(), ignore_index=special,
            label_smoothing=doubt,
        )
        for k in range(tokens.shape[1])
    ])  # fmt: skip


def optimizers(
    model: NanoModel, settings: TrainingSettings, workers: Workers
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for everything else."""
    matrices, embeddings, rest = [], [], []
    for name, parameter in model.named_parameters():
        if "embed" in name or "relative_attention_bias" in name:
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
    sampler: Sampler,
    coder: Coder,
    model_settings: ModelSettings,
    settings: TrainingSettings,
    device: str = "cpu",
    goes_on: GoesOn = forever,
    helpers: int = 0,
) -> NanoModel:
    """Train for `settings.steps` in all, going on from `folder/lm.pt` where that is.

    Several processes may train together, see `workers`; the number of them may change between runs.

    Args:
        folder: of checkpoint and log.
        tokenizer: of the captions.
        sampler: renders the clips.
        coder: turns them into tokens.
        model_settings: size of the model.
        settings: how to train.
        device: where.
        goes_on: whether to go on now; asked before every step.
        helpers: processes that draw batches ahead; without any they are drawn in between.
    """
    path = folder / "lm.pt"
    torch.manual_seed(0)
    model = NanoModel(model_settings).to(device)
    reader = Reader(model_settings.text_size).to(device)
    score_reader = ScoreReader(model_settings.hidden_size).to(device)
    special = model.lm.config.special_token
    workers = Workers.join()
    steppers = [
        *optimizers(model, settings, workers),
        torch.optim.AdamW(
            [*reader.parameters(), *score_reader.parameters()], settings.head_rate, weight_decay=0.0
        ),
    ]
    for stepper in steppers:
        for group in stepper.param_groups:
            group["peak"] = group["lr"]
    read_encoder(folder, model.text_encoder)
    state = load_checkpoint(path, device)
    step, drawn, frames = 0, 0, 0
    if state:
        model.load_state_dict(state["model"])
        reader.load_state_dict(state["reader"])
        score_reader.load_state_dict(state["score_reader"])
        for stepper, saved in zip(steppers, state["optimizers"], strict=True):
            stepper.load_state_dict(saved)
        step, drawn, frames = state["step"], state["drawn"], state["frames"]
    frames_per_clip = model_settings.clip_frames
    clock = Clock(state["seconds"] if state else 0.0)
    log = Log(folder / "lm.log", quiet=not workers.first)
    parameters = sum(p.numel() for p in model.parameters())
    log.write(f"lm {parameters} parameters, {asdict(model_settings)}, {asdict(settings)}")
    log.write(f"from step {step} of {settings.steps}, {drawn} clips, {workers.count} workers")
    losses: list[Tensor] = []  # of whole clips
    scores_of_labels: list[Tensor] = []
    next_report = clock.seconds + settings.report_seconds

    def save() -> None:
        save_checkpoint(path, {
            "model": model.state_dict(), "reader": reader.state_dict(),
            "score_reader": score_reader.state_dict(),
            "optimizers": [s.state_dict() for s in steppers],
            "step": step, "drawn": drawn, "frames": frames, "seconds": clock.seconds,
            "settings": asdict(model_settings),
        })  # fmt: skip

    draws = Draws(settings, frames_per_clip, tokenizer, sampler, coder, workers)
    to_come = range(step, settings.steps)
    batches = iter(DataLoader(draws, batch_size=None, sampler=to_come, num_workers=helpers))
    model.train()
    while step < settings.steps and workers.of_first(goes_on(step)):
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = group["peak"] * settings.rate(step)
        batch, text, answers = (part.to(device) for part in next(batches))
        size, length, _ = settings.shape(step, frames_per_clip)
        with torch.autocast(device, torch.bfloat16, enabled=settings.half_precision):
            states = model.states(batch.tokens[:, :, :-1], batch.text, batch.heard, batch.chroma)
            logits = model.read(states)
            facts = reader(model.text_encoder, text, answers)
            score = score_reader(states, batch.labels)
        logits, told = logits.float(), ~batch.blank
        loss_per_codebook = codebook_losses(logits[told], batch.tokens[told], special)
        model.zero_grad()
        reader.zero_grad()
        score_reader.zero_grad()
        total = settings.reading * facts.sum() + settings.scoring * score.sum()
        if told.any():
            total = total + loss_per_codebook.mean()
        if batch.blank.any():
            blank = batch.blank
            doubtful = codebook_losses(logits[blank], batch.tokens[blank], special, settings.doubt)
            total = total + settings.doubting * doubtful.mean()
        torch.autograd.backward(total)
        workers.average_gradients(
            [*model.parameters(), *reader.parameters(), *score_reader.parameters()]
        )
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for stepper in steppers:
            stepper.step()
        step += 1
        drawn += workers.count * size
        frames += workers.count * size * length
        if length == frames_per_clip and told.any():
            losses.append(loss_per_codebook.detach().cpu())
            scores_of_labels.append(score.detach().cpu())
        if workers.first and clock.seconds >= next_report:
            scores = evaluate_lm(model, sampler, coder, tokenizer, settings.held_out, device)
            mean = torch.stack(losses).mean(0) if losses else torch.full((4,), math.nan)
            labels = torch.stack(scores_of_labels).mean(0) if losses else mean
            log.write(
                f"{clock.seconds:.0f} s step {step}, "
                f"{drawn} clips, {frames / 1e6:.2f} M frames: "
                f"training CE {_row(mean)}, score {_row(labels)} | held out, text only: {scores}"
            )
            losses.clear()
            scores_of_labels.clear()
            save()
            next_report = clock.seconds + settings.report_seconds
    if workers.first:
        save()
        scores = evaluate_lm(model, sampler, coder, tokenizer, settings.held_out_at_end, device)
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
    sampler: Sampler,
    coder: Coder,
    tokenizer: Tokenizer,
    count: int,
    device: str = "cpu",
    dropout: Dropout = NO_DROPOUT,
) -> Scores:
    """Scores on the first `count` held-out clips, with always the same captions."""
    was_training = model.training
    model.eval()
    special, whole = model.lm.config.special_token, model.settings.clip_frames
    losses, shares = [], []
    for number in range(count):
        clip = held_out_clip(number, whole)
        batch = build_batch([clip], tokenizer, sampler, coder, dropout, Random(number), whole).to(
            device
        )
        logits = model(batch.tokens[:, :, :-1], batch.text, batch.heard, batch.chroma)
        targets = batch.tokens[:, :, 1:]
        known = targets != special
        hits = (logits.argmax(-1) == targets) & known
        losses.append(codebook_losses(logits, batch.tokens, special))
        shares.append(hits.sum(dim=(0, 2)) / known.sum(dim=(0, 2)))
    model.train(was_training)
    return Scores(torch.stack(losses).mean(0), torch.stack(shares).mean(0))


def _row(values: Tensor) -> str:
    return " ".join(f"{value:.3f}" for value in values.tolist())
