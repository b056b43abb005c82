"""A codec without a gradient: principal components, loudness of bands, and k-means over both.

It takes minutes, keeps pitch and phase, and is what the network starts from.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.nano.codec.envelope import Bands
from recipes.nano.codec.lapped import HOP, cosine_basis, split_frames
from recipes.nano.runs import load_checkpoint, save_checkpoint

BATCH = 50  # mixes
SMOOTHING = 9  # neighboring frequencies whose power is averaged
QUIET = 1e-7  # mean power of a frame from which it counts
ROUNDS = 5  # of k-means
ROWS = 20_000  # vectors that are compared with a codebook at once
USED = 2  # vectors of a cluster that is kept


@dataclass(frozen=True)
class FitSettings:
    """What is fitted."""

    components: int = 112
    """Principal components that are coded."""
    bands: int = 16
    codebooks: int = 4
    size: int = 2048
    emphasis: float = 0.0
    """0 weighs all errors alike; with 1 every frequency counts as much as any other."""
    component_scale: float = 0.2
    band_scale: float = 0.03
    """A nat of a band's loudness beside coefficients: how codes are shared out between both."""
    sample: int = 120_000
    """Frames that k-means sees."""


@dataclass(frozen=True)
class Fit:
    """Linear maps, bands and codebooks. Codes stand for components, scaled, then bands, scaled."""

    settings: FitSettings
    analysis: Tensor
    """(components, SPAN): a frame's coefficients, those of most power first."""
    synthesis: Tensor
    """(components, SPAN): the waveform of each coefficient."""
    loudness: Tensor
    """(bands,) mean of each band's loudness in nats."""
    codebooks: Tensor
    """(K, codes, components + bands)."""

    @property
    def bands(self) -> Bands:
        """The bands whose loudness is coded."""
        return Bands.spaced(self.settings.bands)

    def measure_bands(self, audio: Tensor) -> Tensor:
        """Audio (B, N) -> scaled loudness (B, T, bands)."""
        measured = self.bands.measure(split_frames(audio) @ cosine_basis())
        return (measured - self.loudness) * self.settings.band_scale


def save_fit(path: Path, fit: Fit) -> None:
    """Write a fit, whole or not at all."""
    save_checkpoint(path, {
        "settings": asdict(fit.settings), "analysis": fit.analysis, "synthesis": fit.synthesis,
        "loudness": fit.loudness, "codebooks": fit.codebooks,
    })  # fmt: skip


def load_fit(path: Path) -> Fit:
    """Read what `save_fit` wrote.

    Raises:
        FileNotFoundError: there is nothing.
    """
    state = load_checkpoint(path)
    if state is None:
        raise FileNotFoundError(f"{path} is not there; run the codec stage first")
    return Fit(**(state | {"settings": FitSettings(**state["settings"])}))


def fit_codec(mixes: np.ndarray, settings: FitSettings) -> Fit:
    """Fit to mixes (clips, samples) of 16 bits."""
    generator = torch.Generator().manual_seed(0)
    basis, bands = cosine_basis(), Bands.spaced(settings.bands)
    frames = torch.cat(list(_transform(mixes, basis)))
    measured = bands.measure(frames).flatten(0, 1)
    frames = frames.flatten(0, 1)
    loud = frames.square().mean(1) > QUIET
    frames, measured = frames[loud], measured[loud]
    power = frames.square().mean(0)
    smooth = F.avg_pool1d(power[None, None], SMOOTHING, 1, SMOOTHING // 2, count_include_pad=False)[
        0, 0
    ]
    weights = smooth ** (-settings.emphasis / 2)
    weights = weights / (weights.square() @ power / power.sum()).sqrt()
    weighted = frames * weights
    directions = torch.linalg.eigh((weighted.t() @ weighted).double())[1]
    directions = directions.flip(1)[:, : settings.components].float()
    loudness = measured.mean(0)
    chosen = torch.randperm(len(weighted), generator=generator)[: settings.sample]
    rest = torch.cat([
        settings.component_scale * weighted[chosen] @ directions,
        settings.band_scale * (measured[chosen] - loudness),
    ], dim=1)  # fmt: skip
    codebooks = []
    for _ in range(settings.codebooks):
        vectors = cluster(rest, settings.size, generator)
        rest = rest - vectors[find_nearest(rest, vectors)]
        codebooks.append(vectors)
    return Fit(
        settings,
        analysis=((basis * weights) @ directions).t().contiguous(),
        synthesis=((directions / weights[:, None]).t() @ basis.t()).contiguous(),
        loudness=loudness,
        codebooks=torch.stack(codebooks),
    )


def cluster(vectors: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """k-means: (size, D) centers of vectors (N, D); nearly empty ones are drawn anew."""
    centers = vectors[torch.randint(len(vectors), (size,), generator=generator)].clone()
    for _ in range(ROUNDS):
        index = find_nearest(vectors, centers)
        counts = torch.bincount(index, minlength=size)[:, None]
        sums = torch.zeros_like(centers).index_add_(0, index, vectors)
        others = vectors[torch.randint(len(vectors), (size,), generator=generator)]
        centers = torch.where(counts > USED, sums / counts.clamp(min=1), others)
    return centers


def find_nearest(vectors: Tensor, centers: Tensor) -> Tensor:
    """The index of the nearest of centers (S, D) to each of vectors (N, D): (N,)."""
    norms = centers.square().sum(1)
    return torch.cat([
        (norms - 2 * part @ centers.t()).argmin(1) for part in vectors.split(ROWS)
    ])  # fmt: skip


def _transform(mixes: np.ndarray, basis: Tensor) -> Iterator[Tensor]:
    """Transformed frames (mixes, T, HOP) but the outermost, some mixes at a time."""
    length = mixes.shape[1] // HOP * HOP
    for start in range(0, len(mixes), BATCH):
        audio = torch.from_numpy(mixes[start : start + BATCH, :length].astype(np.float32)) / 32767
        yield (split_frames(audio) @ basis)[:, 2:-2]
