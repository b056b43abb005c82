"""Pictures of sound as image files."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 2048  # samples: a compromise between sharp drums and bass notes that stay apart
FRAMES_AT_ONCE = 256
HIGHEST = 16_000.0  # Hz: the ear, and the models, know little beyond
DECIBELS = 80.0

# Dark to light with evenly growing lightness, so that a decibel looks the same everywhere.
COLORS = (
    (8, 9, 22),
    (39, 24, 82),
    (92, 31, 112),
    (148, 44, 110),
    (203, 66, 88),
    (239, 112, 61),
    (252, 176, 74),
    (253, 240, 178),
)


def spectrogram_png(
    samples: Tensor, sample_rate: int, width: int = 480, height: int = 160
) -> bytes:
    """Draw the spectrogram of `samples (C, N)` as a PNG image of `width` by `height` pixels.

    Time goes from left to right; pitch from bottom to top, in equal steps of the mel scale, up to
    16 kHz or half the sample rate; colour is the level, over 80 dB below the loudest place.
    Silence is dark.
    """
    return _png(_to_rgb(_levels(samples, sample_rate, width, height).flip(0)))


def height_of(frequency: float, sample_rate: int) -> float:
    """Where a frequency (Hz) lies in a spectrogram: 0 is its bottom, 1 its top."""
    return _mel(frequency) / _mel(_top(sample_rate))


def _levels(samples: Tensor, sample_rate: int, width: int, height: int) -> Tensor:
    """Levels from 0 (80 dB below the loudest) to 1: (height, width), low pitches first."""
    mono = samples.detach().float().cpu().mean(dim=0)
    hop = max(1, min(WINDOW // 4, mono.shape[0] // width))
    frames = F.pad(mono, (WINDOW // 2, WINDOW // 2)).unfold(0, WINDOW, hop)
    window = torch.hann_window(WINDOW)
    filters = _filters(sample_rate, height)
    energy = torch.cat(
        [
            filters @ torch.fft.rfft(part * window).abs().square().T
            for part in torch.split(frames, FRAMES_AT_ONCE)
        ],
        dim=1,
    )  # (height, frames)
    # A column is the mean of its frames: a short sound between two columns must not vanish.
    energy = F.adaptive_avg_pool1d(energy, width)
    decibels = 10 * (energy / energy.max().clamp(min=1e-9)).clamp(min=1e-12).log10()
    return (1 + decibels / DECIBELS).clamp(0, 1)


def _filters(sample_rate: int, bands: int) -> Tensor:
    """Triangles in equal steps of the mel scale, each no narrower than a bin: (bands, bins)."""
    frequencies = torch.linspace(0, sample_rate / 2, WINDOW // 2 + 1)
    mels = torch.linspace(0, _mel(_top(sample_rate)), bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bin_width = sample_rate / WINDOW
    rising = (frequencies - centre) / (centre - low).clamp(min=bin_width) + 1
    falling = (centre - frequencies) / (high - centre).clamp(min=bin_width) + 1
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return triangles / triangles.sum(dim=1, keepdim=True)


def _mel(frequency: float) -> float:
    """The pitch scale of O'Shaughnessy (1987), "Speech Communication: Human and Machine"."""
    return 2595 * math.log10(1 + frequency / 700)


def _top(sample_rate: int) -> float:
    return min(HIGHEST, sample_rate / 2)


def _to_rgb(levels: Tensor) -> npt.NDArray[np.uint8]:
    """Levels (height, width) from 0 to 1 -> (height, width, 3)."""
    anchors = torch.tensor(COLORS, dtype=torch.float32)
    place = levels * (len(COLORS) - 1)
    below = place.floor().long().clamp(max=len(COLORS) - 2)
    share = (place - below)[..., None]
    mixed = anchors[below] * (1 - share) + anchors[below + 1] * share
    pixels: npt.NDArray[np.uint8] = mixed.round().to(torch.uint8).numpy()
    return pixels


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt = "rgb24"
    encoder.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
