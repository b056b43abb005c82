"""Training batches: fresh clips, coded, with their captions and melodies, some of them dropped."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from recipes.nano.clips import Clip, training_clip
from recipes.nano.codec.coder import Coder
from recipes.nano.compose.instruments import MELODY
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE
from recipes.nano.model import CHROMA_BINS
from recipes.nano.sampler import EVERYTHING, Sampler
from recipes.nano.score import chord_chroma, label_frames
from songloom.models.chroma import chroma, chroma_frames
from songloom.models.delay import apply_delay, delays_for

FIRST_SEED = 1_000_000  # of training clips
CANDIDATES = 6  # captions tried, to find ones of like lengths


@dataclass(frozen=True)
class Dropout:
    """How often conditions are left out."""

    everything: float = 0.12  # no text and no melody, as guidance's second row has it
    words: float = 0.04  # an empty caption, as of a request that has none
    text: float = 0.03  # no text, but the melody
    melody: float = 0.25  # no melody, as with a text-only request; 1 is never
    band: float = 0.3  # of the melodies: the whole band's sound instead of the tune alone
    chords: float = 0.25  # of the melodies: the piece's chords instead, several tones at a time


NO_MELODY = Dropout(text=0.0, melody=1.0)
MOSTLY_MELODY = Dropout(melody=0.08)
NO_DROPOUT = Dropout(everything=0.0, words=0.0, text=0.0, melody=1.0)  # text-only


@dataclass(frozen=True)
class Batch:
    """Input of the model, see `NanoModel.forward`, and its targets."""

    tokens: Tensor
    """(B, K, S) delayed."""
    text: Tensor
    heard: Tensor
    chroma: Tensor | None
    blank: Tensor
    """(B,) True where there is neither text nor melody."""
    labels: Tensor
    """(B, 2 * sections, T / 2) of `label_frames`."""

    def to(self, device: str) -> "Batch":
        """The same on another device."""
        chroma = None if self.chroma is None else self.chroma.to(device)
        return Batch(
            self.tokens.to(device),
            self.text.to(device),
            self.heard.to(device),
            chroma,
            self.blank.to(device),
            self.labels.to(device),
        )


def draw_batch(
    numbers: range,
    frames: int,
    whole: int,
    tokenizer: Tokenizer,
    sampler: Sampler,
    coder: Coder,
    dropout: Dropout,
) -> Batch:
    """The batch of some clips' numbers; no two steps of a training have one in common.

    Args:
        numbers: of the clips.
        frames: of each clip.
        whole: frames of the longest clips, for which the melody is made.
        tokenizer: of the captions.
        sampler: renders the clips.
        coder: turns them into tokens.
        dropout: how often conditions are left out.
    """
    clips = [training_clip(FIRST_SEED + number, frames) for number in numbers]
    return build_batch(clips, tokenizer, sampler, coder, dropout, Random(numbers.start), whole)


def build_batch(
    clips: Sequence[Clip],
    tokenizer: Tokenizer,
    sampler: Sampler,
    coder: Coder,
    dropout: Dropout,
    random: Random,
    whole: int,
) -> Batch:
    """The batch of these clips, which are equally long; their melodies last `whole` frames."""
    texts: list[list[int]] = []
    for clip in clips:
        wordless = random.random() < dropout.words
        captions = ("" if wordless else clip.caption(random) for _ in range(CANDIDATES))
        worded = [tokenizer.encode(text).ids for text in captions]
        # Little is padded so: the first one's length is any, the others' are near it.
        texts.append(min(worded, key=lambda ids: abs(len(ids) - len((texts or worded)[0]))))
    longest = max(map(len, texts))
    text = torch.tensor([ids + [0] * (longest - len(ids)) for ids in texts])
    heard, blank, melodies = [], [], []
    for clip in clips:
        fate = random.random()
        blank.append(fate < dropout.everything)
        heard.append(fate >= dropout.everything + dropout.text)
        if dropout.melody == 1:
            continue
        silent = fate < dropout.everything or (heard[-1] and random.random() < dropout.melody)
        melodies.append(
            _null_melody(whole) if silent else melody_of(clip, sampler, dropout, random, whole)
        )
    renders = np.stack([sampler.render(clip.excerpt) for clip in clips])
    codes = coder.code(torch.from_numpy(renders))
    labels = np.stack([label_frames(clip.excerpt) for clip in clips])
    return Batch(
        tokens=apply_delay(codes, delays_for(codes.shape[1], channels=1), coder.special),
        text=text,
        heard=torch.tensor(heard),
        chroma=torch.stack(melodies) if melodies else None,
        blank=torch.tensor(blank),
        labels=torch.from_numpy(labels),
    )


def melody_of(clip: Clip, sampler: Sampler, dropout: Dropout, random: Random, whole: int) -> Tensor:
    """The chroma of a clip, of its tune alone or of its chords, for `whole` frames: (steps, 12)."""
    longer, fate = replace(clip.excerpt, frames=whole), random.random()
    if fate < dropout.chords:
        return torch.from_numpy(chord_chroma(longer))
    band = fate < dropout.chords + dropout.band
    sections = EVERYTHING if band else frozenset([MELODY])
    audio = torch.from_numpy(sampler.render(longer, sections))
    return chroma(audio[None], SAMPLE_RATE)[0]


def _null_melody(whole: int) -> Tensor:
    null = torch.zeros(chroma_frames(whole * FRAME), dtype=torch.long)
    return F.one_hot(null, CHROMA_BINS).float()
