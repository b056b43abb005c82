"""Training batches: clips with freshly worded captions, some of them dropped."""

from dataclasses import dataclass
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from recipes.nano.compose import caption, compose
from recipes.nano.model import CHROMA_BINS
from recipes.nano.tokens import Clips
from songloom.models.delay import apply_delay

REWORDINGS = 40  # tries to find captions of one length


@dataclass(frozen=True)
class Dropout:
    """How often conditions are left out."""

    everything: float = 0.12  # no text and no melody, as guidance's second row has it
    text: float = 0.03  # no text, but the melody
    melody: float = 0.7  # no melody, as with a text-only request


NO_DROPOUT = Dropout(0.0, 0.0, 1.0)  # text-only


@dataclass(frozen=True)
class Batch:
    """Input of the model, see `NanoModel.forward`, and its targets."""

    tokens: Tensor
    """(B, K, S) delayed."""
    text: Tensor
    heard: Tensor
    chroma: Tensor

    def to(self, device: str) -> "Batch":
        """The same on another device."""
        return Batch(*(t.to(device) for t in (self.tokens, self.text, self.heard, self.chroma)))


def draw_batch(
    clips: Clips, tokenizer: Tokenizer, size: int, dropout: Dropout, special: int, random: Random
) -> Batch:
    """Clips drawn at random with captions of one length, so that hardly a place is padded."""
    rows = [random.randrange(len(clips)) for _ in range(size)]
    return build_batch(clips, rows, tokenizer, dropout, special, random)


def build_batch(
    clips: Clips,
    rows: list[int],
    tokenizer: Tokenizer,
    dropout: Dropout,
    special: int,
    random: Random,
) -> Batch:
    """The batch of these clips."""
    texts: list[list[int]] = []
    for row in rows:
        piece = compose(clips.seeds[row])
        for _ in range(REWORDINGS):
            ids = tokenizer.encode(caption(piece, random)).ids
            if not texts or len(ids) == len(texts[0]):
                break
        texts.append(ids)
    longest = max(map(len, texts))
    text = torch.tensor([ids + [0] * (longest - len(ids)) for ids in texts])
    heard, melodies = [], []
    for row in rows:
        fate = random.random()
        heard.append(fate >= dropout.everything + dropout.text)
        silent = fate < dropout.everything or (heard[-1] and random.random() < dropout.melody)
        melody = clips.chroma[row].long()
        melodies.append(torch.zeros_like(melody) if silent else melody)
    return Batch(
        tokens=apply_delay(clips.codes[rows].long(), tuple(range(clips.codes.shape[1])), special),
        text=text,
        heard=torch.tensor(heard),
        chroma=F.one_hot(torch.stack(melodies), CHROMA_BINS).float(),
    )
