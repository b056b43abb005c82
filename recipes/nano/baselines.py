"""What one can know of the next token without a network: the bar to clear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recipes.nano.batches import FIRST_SEED
from recipes.nano.clips import Clip, held_out_clip, training_clip
from recipes.nano.codec.coder import Coder
from recipes.nano.codec.lapped import HOP
from recipes.nano.compose.theory import FRAME
from recipes.nano.sampler import Sampler

COUNTED_CLIPS = 400
SMOOTHING = 0.1  # counts added to each token
PRIOR = 3.0  # how many observations the unigram counts for in a bigram


@dataclass(frozen=True)
class Baseline:
    """Of one codebook: cross-entropies in nats, accuracies as shares."""

    unigram_loss: float
    unigram_accuracy: float
    bigram_loss: float
    bigram_accuracy: float
    one_bar_ago_accuracy: float
    one_loop_ago_accuracy: float

    def __str__(self) -> str:
        return (
            f"unigram CE {self.unigram_loss:.2f} accuracy {self.unigram_accuracy:.3f}, "
            f"bigram CE {self.bigram_loss:.2f} accuracy {self.bigram_accuracy:.3f}, "
            f"one bar ago {self.one_bar_ago_accuracy:.3f}, "
            f"one loop ago {self.one_loop_ago_accuracy:.3f}"
        )


def baselines(
    sampler: Sampler, coder: Coder, held_out: int, frames: int, counted: int = COUNTED_CLIPS
) -> Iterator[str]:
    """A line for every codebook: tables counted on clips to train on, judged on held-out ones."""
    training = [training_clip(FIRST_SEED + i, frames) for i in range(counted)]
    clips = [held_out_clip(number, frames) for number in range(held_out)]
    seen, judged = _code(training, sampler, coder), _code(clips, sampler, coder)
    for k in range(coder.codebooks):
        yield f"codebook {k}: {baseline(seen[:, k], judged[:, k], coder.size, clips)}"


def baseline(seen: Tensor, judged: Tensor, size: int, clips: Sequence[Clip]) -> Baseline:
    """Of a codebook's tokens (N, T) below `size`; `clips` are those that are judged."""
    unigram = torch.bincount(seen.flatten(), minlength=size).float() + SMOOTHING
    unigram /= unigram.sum()
    pairs = (seen[:, :-1] * size + seen[:, 1:]).flatten()
    counts = torch.bincount(pairs, minlength=size * size).view(size, size).float()
    bigram = (counts + PRIOR * unigram) / (counts.sum(1, keepdim=True) + PRIOR)
    before, after = judged[:, :-1].flatten(), judged[:, 1:].flatten()
    return Baseline(
        unigram_loss=-unigram[judged].log().mean().item(),
        unigram_accuracy=(judged == unigram.argmax()).float().mean().item(),
        bigram_loss=-bigram[before, after].log().mean().item(),
        bigram_accuracy=(bigram.argmax(1)[before] == after).float().mean().item(),
        one_bar_ago_accuracy=_repeats(judged, clips, loops=False),
        one_loop_ago_accuracy=_repeats(judged, clips, loops=True),
    )


def _code(clips: Sequence[Clip], sampler: Sampler, coder: Coder) -> Tensor:
    renders = np.stack([sampler.render(clip.excerpt) for clip in clips])
    return coder.code(torch.from_numpy(renders))


def _repeats(codes: Tensor, clips: Sequence[Clip], loops: bool) -> float:
    """Share of tokens (N, T) that equal the one a bar, or a pass of the loop, earlier."""
    same, total = 0, 0
    for row, clip in zip(codes, clips, strict=True):
        distance = FRAME // HOP * clip.piece.frames_per_bar * (len(clip.piece.loop) if loops else 1)
        if distance < len(row):
            same += int((row[distance:] == row[:-distance]).sum())
            total += len(row) - distance
    return same / max(1, total)
