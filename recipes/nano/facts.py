"""What can be said of a clip, as questions with numbered answers."""

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.nano.clips import Clip
from recipes.nano.compose.instruments import BAND, SECTIONS
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import MODES
from recipes.nano.compose.words import TEMPOS

PLAYERS = [
    (None, *(player.name for player in BAND if player.section == section))
    for section in range(len(SECTIONS))
]


def facts(clip: Clip) -> list[int]:
    """What can be said of a clip, each as the number of an answer."""
    piece = clip.piece
    players = (piece.drums, piece.bass, piece.harmony, piece.melody)
    return [
        [style.name for style in STYLES].index(piece.style),
        list(MODES).index(piece.key.mode),
        piece.key.tonic,
        sorted(TEMPOS).index(piece.frames_per_eighth),
        *(names.index(player) for names, player in zip(PLAYERS, players, strict=True)),
        int(piece.busy),
        int(clip.intro),
        int(clip.ending),
        # No sum of what tonic and mode say tells these, so a single layer could not use them.
        *(int(pitch_class in piece.key.pitch_classes) for pitch_class in range(12)),
    ]


ANSWERS = (len(STYLES), len(MODES), 12, len(TEMPOS), *map(len, PLAYERS), *[2] * 15)
"""How many answers there are to each of `facts`."""


def one_hot(answers: Tensor) -> Tensor:
    """Answers (B, facts) as how likely every answer to every fact is, (B, answers)."""
    parts = [F.one_hot(answers[:, i], count) for i, count in enumerate(ANSWERS)]
    return torch.cat(parts, dim=1).float()
