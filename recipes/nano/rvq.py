"""Residual vector quantisation that can be trained: transformers' EnCodec has no training path.

Source: "SoundStream" (Zeghidour et al., 2021): each codebook codes what the ones before it left;
codebooks follow the data as running means, gradients pass straight through.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DECAY = 0.99
DEAD_COUNT = 0.01  # of running uses per step: a code below it is put on a frame of the batch
KMEANS_ROUNDS = 8


@dataclass(frozen=True)
class Quantised:
    """Result of the quantiser."""

    latents: Tensor
    """(B, D, T), with the gradient of the unquantised latents."""
    codes: Tensor
    """(B, Q, T) indices."""
    commitment: Tensor
    """Scalar: how far the latents are from what they were coded as."""


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Indices (N,) of the codebook's (K, D) entries nearest to vectors (N, D)."""
    return (codebook.square().sum(1) - 2 * vectors @ codebook.t()).argmin(dim=1)


def kmeans(vectors: Tensor, size: int, rounds: int = KMEANS_ROUNDS) -> tuple[Tensor, Tensor]:
    """Cluster vectors (N, D): centres (size, D) and how many vectors each has, (size,)."""
    centres = vectors[torch.randint(len(vectors), (size,))].clone()
    counts = torch.zeros(size)
    for _ in range(rounds):
        index = nearest(vectors, centres)
        counts = torch.bincount(index, minlength=size).to(vectors)
        sums = torch.zeros_like(centres).index_add_(0, index, vectors)
        used = counts > 0
        centres[used] = sums[used] / counts[used, None]
        # An empty centre would stay empty: move it to some vector.
        empty = int((~used).sum())
        centres[~used] = vectors[torch.randint(len(vectors), (empty,))]
    return centres, counts


class ResidualQuantizer(nn.Module):
    """`quantizers` codebooks of `size` codes of `width` values."""

    codebooks: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, quantizers: int, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("codebooks", torch.zeros(quantizers, size, width))
        self.register_buffer("counts", torch.zeros(quantizers, size))
        self.register_buffer("sums", torch.zeros(quantizers, size, width))

    @torch.no_grad()
    def fit(self, vectors: Tensor, batch_vectors: int) -> None:
        """Set all codebooks by k-means on vectors (N, D).

        Args:
            vectors: latents collected over some steps.
            batch_vectors: how many vectors a training step has, which scales the running counts.
        """
        residual = vectors
        for q, codebook in enumerate(self.codebooks):
            centres, counts = kmeans(residual, len(codebook))
            codebook.copy_(centres)
            self.counts[q] = (counts * batch_vectors / len(vectors)).clamp(min=2 * DEAD_COUNT)
            self.sums[q] = centres * self.counts[q, :, None]
            residual = residual - centres[nearest(residual, centres)]

    def forward(self, latents: Tensor) -> Quantised:
        """Quantise latents (B, D, T); in training mode the codebooks follow them."""
        batch, width, frames = latents.shape
        vectors = latents.transpose(1, 2).reshape(-1, width)
        residual = vectors.detach()
        coded = torch.zeros_like(residual)
        codes, commitment = [], latents.new_zeros(())
        for q, codebook in enumerate(self.codebooks):
            index = nearest(residual, codebook)
            entries = codebook[index]
            if self.training:
                self._follow(q, residual, index)
            coded = coded + entries
            residual = residual - entries
            commitment = commitment + F.mse_loss(vectors, coded)
            codes.append(index.view(batch, frames))
        passed = vectors + (coded - vectors).detach()
        return Quantised(
            passed.view(batch, frames, width).transpose(1, 2),
            torch.stack(codes, dim=1),
            commitment / len(self.codebooks),
        )

    @torch.no_grad()
    def _follow(self, q: int, residual: Tensor, index: Tensor) -> None:
        counts, sums = self.counts[q], self.sums[q]
        counts.lerp_(torch.bincount(index, minlength=len(counts)).to(counts), 1 - DECAY)
        sums.lerp_(torch.zeros_like(sums).index_add_(0, index, residual), 1 - DECAY)
        dead = counts < DEAD_COUNT
        if dead.any():
            chosen = residual[torch.randint(len(residual), (int(dead.sum()),))]
            counts[dead], sums[dead] = 10 * DEAD_COUNT, chosen * 10 * DEAD_COUNT
        # A new tensor's values, since the old ones are part of this step's graph.
        self.codebooks[q] = sums / counts[:, None]
