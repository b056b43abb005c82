"""What codes have in common: tables whose rows share parts while they are trained.

Two codes of one instrument, one pitch or one age since the attack have something to do with each
other. While it is trained, a row of an embedding or of the heads is the sum of a row of its own and
of one row for each such property, so what is learned of one code counts for the others. In the
packed model the sums are plain tables again.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from recipes.nano.codes import CODEBOOK_SIZE, first_codes
from recipes.nano.compose.instruments import SECTIONS
from songloom.models.lm import LM


def membership(section: int) -> Tensor:
    """Which properties each code of a section has: (codes, properties) of 0 and 1."""
    properties: dict[tuple[str, object], int] = {}
    entries = [(0, properties.setdefault(("silence", 0), 0))]
    for sound, first in first_codes(section).items():
        of_the_sound = [
            ("instrument", sound.instrument),
            ("struck", (sound.pitches, sound.hits)),
            *(("pitch", pitch) for pitch in sound.pitches),
            *(("hit", hit) for hit in sound.hits),
        ]
        for frame in range(sound.player.frames):
            for one in (*of_the_sound, ("age", frame), ("age of", (sound.instrument, frame))):
                row = properties.setdefault(one, len(properties))
                entries.append((first + frame, row))
    table = torch.zeros(CODEBOOK_SIZE, len(properties))
    rows, columns = zip(*entries, strict=True)
    table[list(rows), list(columns)] = 1.0
    return table


class Shared(nn.Module):
    """Adds the properties' rows to a table of codes, one section's or all sections' in a row.

    Args:
        sections: whose codes the table has, in order.
        width: of a row.
        std: of the properties' rows at the start.
    """

    def __init__(self, sections: range, width: int, std: float) -> None:
        super().__init__()
        self._names = [f"membership{section}" for section in sections]
        parts = []
        for name, section in zip(self._names, sections, strict=True):
            table = membership(section)
            self.register_buffer(name, table, persistent=False)
            parts.append(nn.Parameter(std * torch.randn(table.shape[1], width)))
        self.parts = nn.ParameterList(parts)

    def forward(self, rows: Tensor) -> Tensor:
        """(codes and perhaps the special one, width) -> the same shape."""
        tables = [
            getattr(self, name) @ part for name, part in zip(self._names, self.parts, strict=True)
        ]
        shared = torch.cat(tables)
        missing = len(rows) - len(shared)
        return rows + nn.functional.pad(shared, (0, 0, 0, missing))


def share(lm: LM, embedding_std: float, head_std: float) -> None:
    """Let the rows of a language model's embeddings and heads share parts."""
    width = lm.config.hidden_size
    for section, table in enumerate(lm.embeddings):
        parts = Shared(range(section, section + 1), width, embedding_std)
        parametrize.register_parametrization(table, "weight", parts)
    heads = Shared(range(len(SECTIONS)), width, head_std)
    parametrize.register_parametrization(lm.heads, "weight", heads)


def unshare(lm: LM) -> None:
    """Make the sums plain tables."""
    for table in (*lm.embeddings, lm.heads):
        if parametrize.is_parametrized(table, "weight"):
            parametrize.remove_parametrizations(table, "weight")
