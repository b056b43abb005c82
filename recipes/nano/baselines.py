"""What one can know of the next token without a network: the bar to clear."""

from dataclasses import dataclass

import torch
from torch import Tensor

from recipes.nano.compose import compose
from recipes.nano.tokens import Clips

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


def baseline(training: Clips, held_out: Clips, codebook: int, size: int) -> Baseline:
    """Tables counted on the training clips, judged on the held-out ones."""
    seen, tokens = training.codes[:, codebook].long(), held_out.codes[:, codebook].long()
    unigram = torch.bincount(seen.flatten(), minlength=size).float() + SMOOTHING
    unigram /= unigram.sum()
    pairs = (seen[:, :-1] * size + seen[:, 1:]).flatten()
    counts = torch.bincount(pairs, minlength=size * size).view(size, size).float()
    bigram = (counts + PRIOR * unigram) / (counts.sum(1, keepdim=True) + PRIOR)
    before, after = tokens[:, :-1].flatten(), tokens[:, 1:].flatten()
    return Baseline(
        unigram_loss=-unigram[tokens].log().mean().item(),
        unigram_accuracy=(tokens == unigram.argmax()).float().mean().item(),
        bigram_loss=-bigram[before, after].log().mean().item(),
        bigram_accuracy=(bigram.argmax(1)[before] == after).float().mean().item(),
        one_bar_ago_accuracy=_repeats(tokens, held_out.seeds, loops=False),
        one_loop_ago_accuracy=_repeats(tokens, held_out.seeds, loops=True),
    )


def _repeats(tokens: Tensor, seeds: list[int], loops: bool) -> float:
    """Share of tokens (N, T) that equal the one a bar, or a pass of the loop, earlier."""
    same, total = 0, 0
    for row, seed in zip(tokens, seeds, strict=True):
        piece = compose(seed)
        distance = piece.frames_per_bar * (len(piece.loop) if loops else 1)
        if distance < len(row):
            same += int((row[distance:] == row[:-distance]).sum())
            total += len(row) - distance
    return same / max(1, total)
