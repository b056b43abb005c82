"""Teach the text encoder what captions mean, before there is any music.

From every place of an encoded caption a linear layer must tell what the piece is like: style, key,
the tones of its scale, tempo, players. Captions are cheap, and music is not: the language model
finds the encoder ready, and needs fewer clips to learn what the words sound like. It goes on
reading while it learns, so that the encoder does not forget.

People use other words than captions do. So the encoder reads `associations` too: phrases, prompts
and plain English words, with what pieces that fit them are like, and a linear layer must tell from
the mean of its states where a sentence encoder places the text.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import T5EncoderModel

from recipes.nano import teacher
from recipes.nano.associations import (
    Associations,
    AssociationSettings,
    load_associations,
)
from recipes.nano.clips import training_clip
from recipes.nano.compose.prompts import mistype
from recipes.nano.facts import ANSWERS, facts, one_hot
from recipes.nano.model import ModelSettings, text_config
from recipes.nano.muon import Muon
from recipes.nano.runs import Log, load_checkpoint, save_checkpoint

__all__ = ["ANSWERS", "Reader", "captions", "facts", "read_encoder", "teach_reading"]

FIRST_SEED = 800_000_000
FRAMES = 250  # of a clip that is described
MISTYPED = 0.2  # share of the associations' texts that have slips
SLIPS = 0.7  # share of their words that do


@dataclass(frozen=True)
class ReadingSettings:
    """How the text encoder is trained."""

    steps: int = 600
    batch: int = 64  # captions
    prompts: int = 64
    strange: int = 160  # single phrases, and words that no phrase has
    matrix_rate: float = 0.01
    rate: float = 3e-3
    imitation: float = 8.0  # weight of the sentence encoder's loss
    report_every: int = 50
    associations: AssociationSettings = field(default_factory=AssociationSettings)


class Reader(nn.Module):
    """Tells the facts from the states of a text encoder.

    Args:
        text_size: width of the states.
    """

    def __init__(self, text_size: int) -> None:
        super().__init__()
        self.answer = nn.Linear(text_size, sum(ANSWERS))

    def forward(self, encoder: T5EncoderModel, text: Tensor, answers: Tensor) -> Tensor:
        """Cross-entropy of every fact in nats, over all places of the captions: (facts,).

        Args:
            encoder: the text encoder.
            text: (B, E) token ids, 0 where padded.
            answers: (B, facts).
        """
        return self.compare(encode(encoder, text), text, one_hot(answers))

    def compare(self, states: Tensor, text: Tensor, shares: Tensor) -> Tensor:
        """The same from states (B, E, D), and from how likely every answer is, (B, answers)."""
        attended = (text != 0).float()
        guesses = self.answer(states).float().split(ANSWERS, dim=-1)
        return torch.stack([
            ((torch.logsumexp(guess, -1) - (guess * right[:, None]).sum(-1)) * attended).sum()
            / attended.sum()
            for guess, right in zip(guesses, shares.split(ANSWERS, dim=-1), strict=True)
        ])  # fmt: skip

    @torch.inference_mode()
    def guess(self, states: Tensor, text: Tensor) -> Tensor:
        """How likely every answer is, the mean over all places: (B, answers)."""
        attended = (text != 0).float()[..., None]
        guesses = self.answer(states).float().split(ANSWERS, dim=-1)
        likely = torch.cat([guess.softmax(-1) for guess in guesses], dim=-1)
        return (likely * attended).sum(1) / attended.sum(1)


class Imitator(nn.Module):
    """Tells from the states of a text encoder where the teacher places a text.

    Args:
        text_size: width of the states.
    """

    def __init__(self, text_size: int) -> None:
        super().__init__()
        self.place = nn.Linear(text_size, teacher.SIZE)

    def forward(self, states: Tensor, text: Tensor, vectors: Tensor) -> Tensor:
        """1 - cosine similarity of the teacher's vectors (B, 384) and the guesses, the mean."""
        attended = (text != 0).float()[..., None]
        mean = (states * attended).sum(1) / attended.sum(1)
        return 1 - F.cosine_similarity(self.place(mean).float(), vectors, dim=-1).mean()


def teach_reading(
    folder: Path,
    tokenizer: Tokenizer,
    model: ModelSettings,
    settings: ReadingSettings,
    device: str = "cpu",
) -> None:
    """Train a text encoder and write it to `folder/reading.pt`, unless it is there."""
    path, log = folder / "reading.pt", Log(folder / "reading.log")
    if path.exists():
        return
    torch.manual_seed(0)
    known = load_associations(folder, settings.associations)
    if known.vectors is None:
        log.write(f"reading without {teacher.PACKAGE}, which is not installed: facts alone")
    encoder = T5EncoderModel(text_config(model)).to(device)
    reader, imitator = Reader(model.text_size).to(device), Imitator(model.text_size).to(device)
    steppers = _optimizers(encoder, reader, imitator, settings)
    for step in range(settings.steps):
        for stepper, peak in zip(steppers, (settings.rate, settings.matrix_rate), strict=True):
            stepper.param_groups[0]["lr"] = peak * (1 - step / settings.steps)
        first = FIRST_SEED + step * settings.batch
        text, answers = captions(range(first, first + settings.batch), tokenizer)
        losses = reader(encoder, text.to(device), answers.to(device))
        total, distances = losses.sum(), []
        random = Random(step)
        for indices in known.draw(settings.prompts, settings.strange, random):
            text = _pad([_mistyped(known.texts[index], tokenizer, random) for index in indices])
            text, states = text.to(device), encode(encoder, text.to(device))
            facts_of_texts = reader.compare(states, text, known.shares[indices].to(device))
            total = total + facts_of_texts.sum()
            if known.vectors is not None:
                distances.append(imitator(states, text, known.vectors[indices].to(device)))
                total = total + settings.imitation * distances[-1]
        for stepper in steppers:
            stepper.zero_grad()
        torch.autograd.backward(total)
        for stepper in steppers:
            stepper.step()
        if (step + 1) % settings.report_every == 0:
            row = " ".join(f"{loss:.2f}" for loss in losses.tolist())
            apart = " ".join(f"{distance.item():.2f}" for distance in distances)
            log.write(f"reading step {step + 1}: loss of every fact {row}, teacher {apart or '-'}")
    save_checkpoint(path, {
        "encoder": encoder.state_dict(), "reader": reader.state_dict(),
        "imitator": imitator.state_dict(), "settings": asdict(settings),
    })  # fmt: skip


def _optimizers(
    encoder: T5EncoderModel, reader: Reader, imitator: Imitator, settings: ReadingSettings
) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon for the matrices of the layers."""
    named = dict(encoder.named_parameters())
    matrices = [
        p for name, p in named.items() if p.dim() == 2 and ".layer." in name and "bias" not in name
    ]
    chosen = {id(p) for p in matrices}
    heads = (*reader.parameters(), *imitator.parameters())
    rest = [p for p in (*named.values(), *heads) if id(p) not in chosen]
    return [
        torch.optim.AdamW(rest, settings.rate, foreach=False),
        Muon(matrices, settings.matrix_rate),
    ]


def encode(encoder: T5EncoderModel, text: Tensor) -> Tensor:
    """The states (B, E, D) of token ids (B, E), 0 where padded."""
    states: Tensor = encoder(input_ids=text, attention_mask=(text != 0).float()).last_hidden_state
    return states


def read_encoder(folder: Path, encoder: T5EncoderModel) -> None:
    """Load what was taught into a model's text encoder, where something was."""
    state = load_checkpoint(folder / "reading.pt")
    if state is not None:
        encoder.load_state_dict(state["encoder"])


def read_reader(folder: Path, reader: Reader) -> None:
    """Load the reader that was trained with the encoder, where one was."""
    state = load_checkpoint(folder / "reading.pt")
    if state is not None:
        reader.load_state_dict(state["reader"])


def captions(
    seeds: range, tokenizer: Tokenizer, known: Associations | None = None, strange: int = 0
) -> tuple[Tensor, Tensor]:
    """Captions of the training clips of these seeds, and their facts: (B, E) and (B, facts).

    Args:
        seeds: of the clips.
        tokenizer: of the captions.
        known: with it the encoder goes on reading other words, each with the facts of some piece
            that fits.
        strange: how many texts of `known` come after the captions.
    """
    clips = [training_clip(seed, FRAMES) for seed in seeds]
    random = Random(seeds.start)
    texts = [tokenizer.encode(clip.caption(random)).ids for clip in clips]
    answers = [facts(clip) for clip in clips]
    if known is not None:
        for index in random.choices(range(len(known.texts)), k=strange):
            texts.append(_mistyped(known.texts[index], tokenizer, random))
            answers.append(known.draw_answers(index, random))
    return _pad(texts), torch.tensor(answers)


def _mistyped(text: str, tokenizer: Tokenizer, random: Random) -> list[int]:
    typed = mistype(text, random, SLIPS) if random.random() < MISTYPED else text
    ids: list[int] = tokenizer.encode(typed).ids
    return ids


def _pad(texts: list[list[int]]) -> Tensor:
    longest = max(map(len, texts))
    return torch.tensor([ids + [0] * (longest - len(ids)) for ids in texts])
