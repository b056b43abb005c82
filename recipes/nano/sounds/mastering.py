"""Mastering: mixes given the spectrum and the level that released recordings have.

The composer's mixes have a tenth of a record's bass and of its treble, and a codec that was fitted
to them spends its codes where records have little. Long-term spectra of popular music fall by some
5 dB an octave from 100 Hz to 4 kHz and faster above, whatever the genre and the decade.

Source of the slope: "Spectral characteristics of popular commercial recordings 1950-2010" (Pestana,
Ma, Reiss, Barbosa and Black, 2013).
"""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from recipes.nano.compose.theory import SAMPLE_RATE

EDGES = (0.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0, SAMPLE_RATE / 2)  # Hz, of bands
SHARES = (-6.0, -7.0, -9.0, -11.0, -13.0, -15.0, -17.0, -20.0)  # dB of the whole power, by band
SPREAD = 4.0  # dB, how far a band of one record is from that
REACH = (-15.0, 24.0)  # dB that an equalizer takes or gives
LEVEL, LEVEL_SPREAD = -21.0, 5.0  # dB below full scale, RMS
CEILING = 0.99
SILENT = 1e-7  # mean power of what is left alone
UNTOUCHED = 0.25  # share of mixes that stay as they are


def master(audio: Tensor, random: np.random.Generator) -> Tensor:
    """Equalize, level and limit most of some excerpts: (B, N) -> (B, N) within -1..1."""
    spectrum = torch.fft.rfft(audio)
    power = spectrum.real.square() + spectrum.imag.square()
    frequencies = np.fft.rfftfreq(audio.shape[1], 1 / SAMPLE_RATE)
    starts = np.searchsorted(frequencies, EDGES)
    octaves, centers = np.log2(frequencies + 20), _find_centers()
    rows = []
    for row, bins in zip(audio, power, strict=True):
        targets = np.array(SHARES) + random.normal(0, SPREAD, len(SHARES))
        depth, level = random.uniform(0.3, 1), LEVEL + LEVEL_SPREAD * random.normal()
        untouched = random.random() < UNTOUCHED
        if untouched or row.square().mean() < SILENT:
            rows.append(row)
            continue
        shares = torch.stack([
            bins[start:end].sum() for start, end in pairwise(starts)
        ])  # fmt: skip
        present = 10 * np.log10((shares / shares.sum() + 1e-6).numpy())
        gains = np.clip(depth * (targets - present), *REACH)
        gains -= gains.max()  # what is left is set by the level
        curve = np.interp(octaves, centers, gains)
        shaped = torch.fft.irfft(
            spectrum[len(rows)] * torch.from_numpy(10 ** (curve / 20)).float(), audio.shape[1]
        )
        shaped = shaped * (10 ** (level / 20) / shaped.square().mean().sqrt())
        rows.append(CEILING * torch.tanh(shaped / CEILING))
    return torch.stack(rows)


def master_mixes(mixes: np.ndarray, seed: int) -> np.ndarray:
    """Mixes (clips, samples) of 16 bits, mastered."""
    random = np.random.default_rng(seed)
    rows = []
    for mix in mixes:
        audio = torch.from_numpy(mix.astype(np.float32))[None] / 32767
        rows.append((master(audio, random)[0].clamp(-1, 1) * 32767).short().numpy())
    return np.stack(rows)


def _find_centers() -> np.ndarray:
    """Octaves of the bands' middles."""
    lower, upper = np.array(EDGES[:-1]), np.array(EDGES[1:])
    return np.log2(np.sqrt((lower + 20) * (upper + 20)))
