"""Does a model repeat pieces that it was trained on? `judge` tells."""

from collections.abc import Sequence

import torch
from torch import Tensor

from recipes.nano.batches import FIRST_SEED
from recipes.nano.clips import training_clip
from recipes.nano.compose.instruments import MELODY
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE
from recipes.nano.sampler import Sampler
from songloom.models.chroma import chroma

COMPARED = 4000  # clips of the training
TUNE = frozenset([MELODY])


def find_nearest_tunes(
    clips: Sequence[Tensor], sampler: Sampler, compared: int = COMPARED
) -> float:
    """How like the nearest tune of the training each clip is, in the mean.

    A clip is like a tune in the share of chroma frames whose loudest pitch class is the same.
    Pieces that were never trained on have a nearest one as well, so the number says something only
    beside theirs.

    Args:
        clips: audio (samples,) at 32 kHz, all equally long, from the start of a piece.
        sampler: renders the training's tunes.
    """
    given = torch.stack([_classes(clip) for clip in clips])
    frames = len(clips[0]) // FRAME
    best = torch.zeros(len(given))
    for seed in range(FIRST_SEED, FIRST_SEED + COMPARED):
        tune = torch.from_numpy(sampler.render(training_clip(seed, frames).excerpt, TUNE))
        best = torch.maximum(best, (given == _classes(tune)).float().mean(1))
    return best.mean().item()


def _classes(audio: Tensor) -> Tensor:
    return chroma(audio[None], SAMPLE_RATE)[0].argmax(-1)
