"""Signals in frequency bands: their strengths, and changing them.

Bands are differences of windowed-sinc low-pass filters, whose edges are evenly spaced in mel; they
add up to the signal. So a sum of bands, each times a gain, is one filter: that is how it is done
here, by Fourier transforms of pieces, whose memory does not grow with the signal.

Shapes: R signals, N samples, K bands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ZERO_CROSSINGS = 8
"""Of the filter with the lowest edge: they decide how long all filters are."""
_PIECE = 1 << 16
"""Samples that are transformed at once."""


class Bands:
    """Splits signals at one sample rate into a number of bands.

    Args:
        sample_rate: Hz.
        count: K, at least two.
        device: where the signals lie.
    """

    def __init__(self, sample_rate: int, count: int, device: torch.device | str = "cpu") -> None:
        self.count = count
        self.filters = low_passes(sample_rate, count).to(device)
        """(K - 1, 2 * reach + 1) from the lowest edge up."""
        self.reach = self.filters.shape[-1] // 2
        """Samples to either side that a sample of a band depends on."""

    def deviations(self, signals: Tensor) -> Tensor:
        """Signals (R, N) -> the standard deviation of each of their bands, (R, K), on the CPU."""
        count = signals.shape[-1]
        sums = torch.zeros(2, len(signals), self.count, dtype=torch.float64)
        for piece, passed in self._filter_pieces(signals, self.filters):
            bands = passed.clone()  # (R, K - 1, n), then with the last one
            bands[:, 1:] -= passed[:, :-1]
            bands = torch.cat([bands, piece[:, None] - passed[:, -1:]], dim=1)
            # Of a piece in float32, of all in float64, which some devices lack.
            sums[0] += bands.sum(dim=-1).cpu()
            sums[1] += bands.square().sum(dim=-1).cpu()
        variances = (sums[1] - sums[0].square() / count) / max(count - 1, 1)
        return variances.clamp(min=0).sqrt()

    def scale_bands(self, signals: Tensor, gains: Tensor) -> Tensor:
        """Signals (R, N), gains of their bands (K,) -> the signals with these, (R, N)."""
        # Band i is pass i less pass i - 1: summed by parts, each filter has one factor.
        steps = (gains[:-1] - gains[1:]).to(self.filters)
        whole = (steps @ self.filters)[None]  # (1, taps)
        pieces = [
            passed[:, 0] + piece * gains[-1].to(piece)
            for piece, passed in self._filter_pieces(signals, whole)
        ]
        return torch.cat(pieces, dim=-1)

    def _filter_pieces(self, signals: Tensor, filters: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Pieces (R, n) of the signals, and these through each filter: (R, filters, n)."""
        length, taps = signals.shape[-1], filters.shape[-1]
        padded = F.pad(signals, (self.reach, self.reach), mode="replicate")
        size = 1 << math.ceil(math.log2(max(min(_PIECE, length + taps - 1), 2 * taps)))
        spectra = torch.fft.rfft(filters, size)  # symmetric filters: no need to turn them around
        step = size - taps + 1
        for start in range(0, length, step):
            block = padded[:, start : start + size]
            filtered = torch.fft.irfft(torch.fft.rfft(block, size)[:, None] * spectra, size)
            piece = signals[:, start : start + step]
            yield piece, filtered[..., taps - 1 : taps - 1 + piece.shape[-1]]


def band_edges(sample_rate: int, count: int) -> list[float]:
    """Hz between `count` bands that are equally wide in mel."""
    highest = 2595 * math.log10(1 + sample_rate / 2 / 700)
    return [700 * (10 ** (highest * i / count / 2595) - 1) for i in range(1, count)]


def low_passes(sample_rate: int, count: int) -> Tensor:
    """Filters (count - 1, taps) that pass what is below each edge; a Hann window over a sinc."""
    edges = [edge / sample_rate for edge in band_edges(sample_rate, count)]
    reach = int(ZERO_CROSSINGS / edges[0] / 2)
    time = torch.arange(-reach, reach + 1, dtype=torch.float64)
    window = torch.hann_window(2 * reach + 1, periodic=False, dtype=torch.float64)
    filters = [2 * edge * window * torch.sinc(2 * edge * time) for edge in edges]
    return torch.stack([one / one.sum() for one in filters]).float()


def equalize_bands(signals: Tensor, like: Tensor, sample_rate: int, count: int = 32) -> Tensor:
    """Give each band of the signals (R, N) the strength that it has in another one, (R, N).

    Each signal by itself; a band that is silent in one of the two is silent in the result.
    """
    bands = Bands(sample_rate, count, signals.device)
    now, wanted = bands.deviations(signals), bands.deviations(like)
    gains = torch.where(now > 0, wanted / now.clamp(min=torch.finfo(now.dtype).tiny), 0)
    rows = [bands.scale_bands(signals[i : i + 1], gains[i]) for i in range(len(signals))]
    return torch.cat(rows)


@dataclass(frozen=True)
class ProcessorConfig:
    """How a `BandProcessor` is built."""

    sample_rate: int = 32_000
    bands: int = 8
    power: float = 1.0
    """Of the ratio of strengths: 1 makes them equal, 0 leaves the signal as it is."""


class BandProcessor(nn.Module):
    """Gives music's bands the strengths of white noise's, where diffusion works, and undoes it."""

    def __init__(self, config: ProcessorConfig) -> None:
        super().__init__()
        self.config = config
        self.mean = nn.Buffer(torch.zeros(config.bands))
        self.deviation = nn.Buffer(torch.ones(config.bands))
        """Of the bands of music."""
        self.noise_deviation = nn.Buffer(torch.ones(config.bands))
        """Of the bands of white noise (in the published weights, its square)."""

    def project(self, signals: Tensor) -> Tensor:
        """Music (R, N) -> what the network knows, (R, N)."""
        gains = (self.noise_deviation / self.deviation.clamp(min=1e-12)) ** self.config.power
        return self._bands().scale_bands(signals, gains) - (self.mean * gains).sum()

    def restore(self, signals: Tensor) -> Tensor:
        """The network's signal (R, N) -> music, (R, N)."""
        gains = (self.deviation / self.noise_deviation) ** self.config.power
        return self._bands().scale_bands(signals, gains) + self.mean.sum()

    def _bands(self) -> Bands:
        return Bands(self.config.sample_rate, self.config.bands, self.mean.device)
