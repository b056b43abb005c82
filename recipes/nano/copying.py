"""Does a model repeat pieces that it was trained on? `judge` tells."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from recipes.nano.batches import FIRST_SEED
from recipes.nano.clips import training_clip
from recipes.nano.codes import SILENCE
from recipes.nano.compose.instruments import MELODY
from recipes.nano.score import tokens

COMPARED = 4000  # clips of the training


def nearest(clips: Sequence[Tensor], compared: int = COMPARED) -> float:
    """How like the nearest of some training clips each clip's tune is, in the mean.

    A tune is like another in the share of frames in which both have the very same sound at the
    very same age, of those in which either has one. Pieces that were never trained on have a
    nearest one as well, so the number says something only beside theirs.

    Args:
        clips: tokens (K, T), all equally long, from the start of a piece.
        compared: how many of the training's clips.
    """
    given = torch.stack([clip[MELODY] for clip in clips])
    frames = given.shape[1]
    best = torch.zeros(len(given))
    for seed in range(FIRST_SEED, FIRST_SEED + compared):
        excerpt = training_clip(seed, frames).excerpt
        seen = torch.from_numpy(np.ascontiguousarray(tokens(excerpt)[MELODY]))
        sounding = (given != SILENCE) | (seen != SILENCE)
        same = ((given == seen) & sounding).sum(1) / sounding.sum(1).clamp(min=1)
        best = torch.maximum(best, same)
    return best.mean().item()
