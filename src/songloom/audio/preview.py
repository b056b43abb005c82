"""Small pictures of sound for a terminal."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

BRAILLE = 0x2800
DOTS = torch.tensor([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot in a Braille character: four rows, two columns."""

SHADES = " ░▒▓█"
SHADE_DECIBELS = 60.0
LOWEST, HIGHEST = 60.0, 8000.0  # Hz: where music has its energy


def waveform_art(samples: Tensor, sample_rate: int, width: int = 72, height: int = 8) -> str:
    """Draw `samples (C, N)` as lines of Braille, `height` of them and one for the time.

    From left to right goes time, from bottom to top the amplitude from -1 to 1; each column of dots
    spans the lowest and the highest sample of its moment.
    """
    columns, rows = 2 * width, 4 * height
    mono = samples.float().mean(dim=0)
    moments = mono.tensor_split(columns)
    lows = torch.stack([moment.amin() if len(moment) else mono.new_zeros(()) for moment in moments])
    highs = torch.stack(
        [moment.amax() if len(moment) else mono.new_zeros(()) for moment in moments]
    )
    # Row 0 is the top, amplitude 1.
    top = ((1 - highs) / 2 * (rows - 1)).round().clamp(0, rows - 1)
    bottom = ((1 - lows) / 2 * (rows - 1)).round().clamp(0, rows - 1)
    row = torch.arange(rows)[:, None]
    lit = (row >= top) & (row <= bottom)  # (rows, columns)
    cells = (lit.view(height, 4, width, 2) * DOTS[:, None, :]).sum(dim=(1, 3))
    lines = ["".join(chr(BRAILLE + cell) for cell in line) for line in cells.tolist()]
    return "\n".join([*lines, _time_axis(samples, sample_rate, width)])


def spectrogram_art(samples: Tensor, sample_rate: int, width: int = 72, height: int = 8) -> str:
    """Draw the spectrogram of `samples (C, N)` as lines of shades, and one for the time.

    From left to right goes time, from bottom to top the pitch from 60 Hz to 8 kHz in equal steps;
    the darkest shade is the loudest moment, a blank one 60 dB below.
    """
    mono = samples.float().mean(dim=0)
    size = 4096
    hop = max(1, len(mono) // width)
    padded = torch.nn.functional.pad(mono, (size // 2, size // 2 + width * hop))
    frames = padded.unfold(0, size, hop)[:width] * torch.hann_window(size)
    power = torch.fft.rfft(frames).abs().square()  # (width, bins)
    edges = torch.logspace(0, 1, height + 1, base=HIGHEST / LOWEST) * LOWEST * size / sample_rate
    bands = edges.round().long().clamp(max=power.shape[1] - 1).tolist()
    energy = torch.stack(
        [power[:, low : max(high, low + 1)].amax(dim=1) for low, high in pairwise(bands)]
    )  # (height, width), low to high
    decibels = 10 * (energy / energy.max().clamp(min=1e-12)).clamp(min=1e-12).log10()
    shade = ((decibels / SHADE_DECIBELS + 1) * len(SHADES)).floor().clamp(0, len(SHADES) - 1)
    lines = ["".join(SHADES[int(cell)] for cell in line) for line in shade.flip(0).tolist()]
    return "\n".join([*lines, _time_axis(samples, sample_rate, width)])


def _time_axis(samples: Tensor, sample_rate: int, width: int) -> str:
    end = f"{samples.shape[1] / sample_rate:.1f} s"
    return "0 s" + end.rjust(width - 3)
