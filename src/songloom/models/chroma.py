"""Chroma: which of the twelve pitch classes is loudest, frame by frame; the melody condition.

Source: the chromagram conditioning of "Simple and Controllable Music Generation" (Copet et al.,
2023), section 2.3: a spectrogram of long windows, folded to pitch classes, reduced to its maximum.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 16_384
"""Samples of one Fourier transform (half a second at 32 kHz: bass notes must be told apart)."""
HOP = 4_096
"""Samples from one frame to the next."""
PIECE_FRAMES = 1_024
"""Frames that are computed at once where memory must not grow with the signal."""


def chroma_frames(samples: int) -> int:
    """Number of chroma frames of a signal of `samples` samples."""
    return max(samples, WINDOW) // HOP + 1


def chroma(wav: Tensor, sample_rate: int, bins: int = 12) -> Tensor:
    """One-hot chroma of mono signals.

    Args:
        wav: (B, N) samples; shorter ones than a window are padded on both sides.
        sample_rate: in Hz.
        bins: pitch classes of an octave.

    Returns:
        (B, frames, bins), 1 at the loudest pitch class. Silence gives bin 0.
    """
    missing = WINDOW - wav.shape[-1]
    if missing > 0:
        wav = F.pad(wav, (missing // 2, missing - missing // 2))
    window = torch.hann_window(WINDOW, device=wav.device)
    spectrum = torch.stft(wav, WINDOW, HOP, WINDOW, window, center=True, return_complex=True)
    power = spectrum.abs().square() / window.square().sum()
    raw = _filters(sample_rate, bins).to(wav.device) @ power  # (B, bins, frames)
    loudest = F.normalize(raw, p=float("inf"), dim=1, eps=1e-6).argmax(dim=1)
    return F.one_hot(loudest, bins).float()


def chroma_classes(wav: Tensor, sample_rate: int, bins: int = 12) -> Tensor:
    """Loudest pitch class of each frame of a signal of any length, in pieces: what `chroma` marks.

    Args:
        wav: (1, N) samples; mapped from a file they need no memory.
        sample_rate: in Hz.
        bins: pitch classes of an octave.

    Returns:
        (frames,) of type uint8.
    """
    side = WINDOW // HOP  # frames before and after a piece: half of them see what pads its ends
    classes = []
    for start in range(0, chroma_frames(wav.shape[-1]), PIECE_FRAMES):
        first, end = max(0, start - side), start + PIECE_FRAMES
        marked = chroma(wav[:, first * HOP : (end + side) * HOP], sample_rate, bins)[0]
        classes.append(marked[start - first : end - first].argmax(dim=-1).to(torch.uint8))
    return torch.cat(classes)


@functools.cache
def _filters(sample_rate: int, bins: int) -> Tensor:
    """How much each frequency of a spectrum counts for each pitch class: (bins, WINDOW / 2 + 1).

    Source: the chroma features of Ellis (2007), in librosa's form, which the reference uses: a bell
    around each pitch class, no narrower than a semitone, and a wide one around octave 5. It is
    tested against librosa, whose import takes longer than all of this.
    """
    frequencies = torch.arange(1, WINDOW, dtype=torch.float64) * sample_rate / WINDOW
    pitches = bins * torch.log2(frequencies / (440 / 16))  # steps above A0
    # Frequency 0 has no pitch: it is put one and a half octaves below the first that has.
    pitches = torch.cat([pitches[:1] - 1.5 * bins, pitches])
    widths = torch.cat([pitches.diff().clamp(min=1), torch.ones(1, dtype=torch.float64)])
    distances = pitches - torch.arange(bins, dtype=torch.float64)[:, None]
    half = round(bins / 2)
    distances = (distances + half) % bins - half
    bells = torch.exp(-0.5 * (2 * distances / widths) ** 2)
    bells = F.normalize(bells, dim=0)
    bells *= torch.exp(-0.5 * ((pitches / bins - 5) / 2) ** 2)
    from_c = bells.roll(-3 * (bins // 12), dims=0)
    return from_c[:, : WINDOW // 2 + 1].float()
