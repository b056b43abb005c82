"""Loudness of bands of a transformed frame: what tells noise and brightness where phase is lost."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.nano.codec.lapped import HOP

LOWEST, HIGHEST = 600, 16_000  # Hz
BIN = 25  # Hz from one coefficient to the next
SILENT = 4e-7  # mean power that is added: what is softer by far counts as silence


@dataclass(frozen=True)
class Bands:
    """Bands of coefficients, evenly wide in octaves."""

    edges: tuple[int, ...]
    """First coefficients, and the end of the last band."""

    @staticmethod
    def spaced(count: int) -> "Bands":
        """`count` bands from `LOWEST` to `HIGHEST`."""
        ratio = (HIGHEST / LOWEST) ** (1 / count)
        edges = (min(HOP, round(LOWEST * ratio**i / BIN)) for i in range(count + 1))
        return Bands(tuple(edges))

    def __len__(self) -> int:
        return len(self.edges) - 1

    def span(self, band: int) -> range:
        """The coefficients of a band."""
        return range(self.edges[band], self.edges[band + 1])

    def measure(self, coefficients: Tensor) -> Tensor:
        """Transformed frames (B, T, HOP) -> ln of the bands' root mean squares (B, T, bands).

        The mean is taken over three frames, since a single one's power depends on phases.
        """
        power = torch.stack([
            coefficients[..., a:b].square().mean(-1)
            for a, b in zip(self.edges[:-1], self.edges[1:], strict=True)
        ], dim=1)  # fmt: skip
        smooth = F.avg_pool1d(F.pad(power, (1, 1), mode="replicate"), 3, 1)
        return 0.5 * torch.log(smooth + SILENT).transpose(1, 2)
