"""Batches: windows of the songs' tokens with their conditions, drawn anew for every update.

What update `step` trains on follows from the seed and the step alone, so a training that is
resumed goes on with the batch that would have come.

Shapes: B windows, K codebooks, T frames of a window, S steps of the delayed sequence, E steps of
text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import torch
from torch import Tensor

from songloom.models.chroma import HOP as CHROMA_HOP
from songloom.models.delay import apply_delay
from songloom.models.lm import LMConfig
from songloom.training.captions import Tags, full_caption, mixed_caption

KEEP_MELODY = 0.5
"""Share of windows that a melody model hears the melody of, as in the reference's training."""


@dataclass(frozen=True, eq=False)
class TrainingSong:
    """A song to train on."""

    name: str
    codes: Tensor
    """(K, T) tokens of the whole song."""
    chroma: Tensor | None = None
    """(F,) loudest pitch class of each chroma frame."""
    description: str = ""
    tags: Tags | None = None

    @property
    def frames(self) -> int:
        """T: length in frames."""
        return self.codes.shape[1]


@dataclass(frozen=True)
class TrainingWindow:
    """A stretch of a song, and what the model is told about it."""

    song: TrainingSong
    start: int
    """First frame."""
    caption: str
    """Empty for no text."""
    melody: bool
    """Whether its chroma is a condition."""


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """The tensors that one update is computed from."""

    tokens: Tensor
    """(B, K, S) delayed tokens; the special one where there is nothing to predict."""
    text: Tensor
    """(B, E, text_size) states of the captions, padded with zeros."""
    text_mask: Tensor
    """(B, E) True where there is text."""
    chroma: Tensor | None
    """(B, F, bins) one-hot, the null chroma where there is no melody; None for text models."""

    def totals(self, special: int) -> Tensor:
        """Targets of each codebook, (K,); at least 1."""
        return (self.tokens[:, :, 1:] != special).sum(dim=(0, 2)).clamp(min=1)

    def part(self, rows: slice) -> TrainingBatch:
        """Some of the windows; nothing else about them changes."""
        chroma = None if self.chroma is None else self.chroma[rows]
        return TrainingBatch(self.tokens[rows], self.text[rows], self.text_mask[rows], chroma)

    def to(self, device: torch.device) -> TrainingBatch:
        """The batch on another device."""
        chroma = None if self.chroma is None else self.chroma.to(device)
        return TrainingBatch(
            self.tokens.to(device), self.text.to(device), self.text_mask.to(device), chroma
        )


def draw_windows(
    songs: Sequence[TrainingSong], count: int, frames: int, condition_dropout: float, random: Random
) -> list[TrainingWindow]:
    """Draw windows of `frames` frames: each moment of all songs equally likely.

    Args:
        songs: at least one.
        count: B.
        frames: T.
        condition_dropout: share of windows without any condition, for guidance.
        random: what decides.
    """
    chosen = random.choices(songs, weights=[song.frames for song in songs], k=count)
    windows = []
    for song in chosen:
        start = random.randint(0, max(0, song.frames - frames))
        caption = mixed_caption(song.description, song.tags or {}, random)
        melody = random.random() < KEEP_MELODY
        dropped = random.random() < condition_dropout
        windows.append(
            TrainingWindow(song, start, "" if dropped else caption, melody and not dropped)
        )
    return windows


def fixed_windows(songs: Sequence[TrainingSong], frames: int, most: int) -> list[TrainingWindow]:
    """Windows to measure on, always the same: side by side, over all songs, with all text."""
    windows = [
        TrainingWindow(song, start, full_caption(song.description, song.tags or {}), melody=False)
        for song in songs
        for start in range(0, max(1, song.frames - frames // 2), frames)
    ]
    every = max(1, math.ceil(len(windows) / most))
    return windows[::every]


class BatchBuilder:
    """From windows to tensors.

    Args:
        config: of the language model.
        frames: T, length of every window; a shorter song is filled up with special tokens.
        encode_text: caption -> states (1, E, text_size).
        hop: samples of a frame, by which frames and chroma frames are brought together.
    """

    def __init__(
        self, config: LMConfig, frames: int, encode_text: Callable[[str], Tensor], hop: int
    ) -> None:
        self._config, self._frames, self._hop = config, frames, hop
        self._states = lru_cache(maxsize=1024)(lambda caption: encode_text(caption)[0].cpu())

    def __call__(self, windows: Sequence[TrainingWindow]) -> TrainingBatch:
        """Build the batch of some windows."""
        tokens = torch.stack([self._tokens(window) for window in windows])
        text, mask = self._text(windows)
        chroma = None
        if self._config.melody:
            chroma = torch.stack([self._chroma(window) for window in windows])
        return TrainingBatch(tokens, text, mask, chroma)

    def _tokens(self, window: TrainingWindow) -> Tensor:  # (K, S)
        config = self._config
        codes = window.song.codes[:, window.start : window.start + self._frames].long()
        filled = codes.new_full((codes.shape[0], self._frames), config.special_token)
        filled[:, : codes.shape[1]] = codes
        return apply_delay(filled, config.delays, config.special_token)

    def _text(self, windows: Sequence[TrainingWindow]) -> tuple[Tensor, Tensor]:
        """Texts of a batch, padded to the longest of them, however it is divided later on."""
        states = [self._states(window.caption) if window.caption else None for window in windows]
        longest = max([1, *(len(state) for state in states if state is not None)])
        text = torch.zeros(len(windows), longest, self._config.text_size)
        mask = torch.zeros(len(windows), longest, dtype=torch.bool)
        for row, state in enumerate(states):
            if state is not None:
                text[row, : len(state)] = state
                mask[row, : len(state)] = True
        return text, mask

    def _chroma(self, window: TrainingWindow) -> Tensor:  # (F, bins)
        config = self._config
        length = config.chroma_frames
        bins = torch.zeros(length, dtype=torch.long)
        chroma = window.song.chroma if window.melody else None
        if chroma is not None:
            first = round(window.start * self._hop / CHROMA_HOP)
            frames = math.ceil(self._frames * self._hop / CHROMA_HOP) + 1
            known = chroma[first : first + frames].long()
            if len(known):
                # The model repeats a melody that is shorter than its prefix.
                repeats = math.ceil(length / len(known))
                bins = known.repeat(repeats)[:length]
        return torch.nn.functional.one_hot(bins, config.chroma_bins).float()
