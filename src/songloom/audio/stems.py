"""Stem separation: what of a recording the melody is taken from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from songloom.audio.demucs import demucs_stems
from songloom.audio.files import Audio
from songloom.request import MelodyStems


class Separator(Protocol):
    """Takes a recording to the part of it that matters, at any sample rate."""

    def __call__(self, audio: Audio) -> Audio:
        """Separate `samples (C, N)`; the sample rate may change, the duration may not."""
        ...


def separator(choice: MelodyStems) -> Separator:
    """Give the separator that a request names."""
    match choice:
        case "none":
            return keep_everything
        case "harmonic":
            return harmonic_part
        case "demucs":
            return demucs_melody


def separate(audio: Audio, choice: MelodyStems) -> Audio:
    """Separate a recording in the way that a request names.

    Raises `MissingExtraError` and `AudioError` as `demucs_melody` does.
    """
    return separator(choice)(audio)


def keep_everything(audio: Audio) -> Audio:
    """Take the whole recording."""
    return audio


LOWEST_MUSIC_RATE = 8_000
"""Hz; at a lower rate the end of a part that was cut out differs a little."""
FFT = 2048
HOP = 512
MEDIAN_FRAMES = 31
CHUNK_FRAMES = 1024
MARGIN_FRAMES = MEDIAN_FRAMES // 2 + FFT // HOP
"""How far a sample of the result depends on its neighbours: half a median, and one window."""
MARGIN_SECONDS = 2 * MARGIN_FRAMES * HOP / LOWEST_MUSIC_RATE
"""Seconds read beyond the part that is used, so that its end comes out the same."""


def harmonic_part(audio: Audio) -> Audio:
    """Keep what sounds on and drop what strikes, by median filters on the spectrogram; no weights.

    D. FitzGerald, "Harmonic/percussive separation using median filtering" (DAFx 2010). It works in
    chunks with margins, which gives what the whole would and needs little memory.
    """
    return Audio(torch.cat(list(harmonic_pieces(audio)), dim=1), audio.sample_rate)


def harmonic_pieces(audio: Audio) -> Iterator[Tensor]:
    """Give the harmonic part in pieces `(C, n)`, for recordings of any length."""
    samples = audio.samples
    for start in range(0, samples.shape[1], CHUNK_FRAMES * HOP):
        first = max(0, start - MARGIN_FRAMES * HOP)
        end = start + CHUNK_FRAMES * HOP
        piece = _harmonic(samples[:, first : end + MARGIN_FRAMES * HOP])
        yield piece[:, start - first : end - first]


def _harmonic(samples: Tensor) -> Tensor:
    length = samples.shape[1]
    padded = torch.nn.functional.pad(samples, (0, max(0, FFT - length)))  # at least a window
    window = torch.hann_window(FFT)
    spectrum = torch.stft(padded, FFT, HOP, window=window, pad_mode="constant", return_complex=True)
    level = spectrum.abs()  # (C, frequencies, frames)
    steady = _running_median(level).square()
    sudden = _running_median(level.transpose(1, 2)).transpose(1, 2).square()
    both = steady + sudden
    mask = torch.where(both > 0, steady / both, 0.5)
    kept = torch.istft(spectrum * mask, FFT, HOP, window=window, length=padded.shape[1])
    return kept[:, :length]


def _running_median(rows: Tensor) -> Tensor:
    """Median of `MEDIAN_FRAMES` neighbours along the last dimension, mirrored at the ends."""
    # Late: seldom needed.
    from scipy.ndimage import median_filter  # type: ignore[import-untyped]

    side = MEDIAN_FRAMES // 2
    padded = np.pad(rows.numpy(), ((0, 0), (0, 0), (side, side)), mode="symmetric")
    # As one long row, for which scipy has an algorithm that is ten times faster.
    medians = median_filter(padded.ravel(), size=MEDIAN_FRAMES).reshape(padded.shape)
    return torch.from_numpy(medians[..., side:-side])


MELODY_STEMS = ("vocals", "other")


def demucs_melody(audio: Audio) -> Audio:
    """Keep vocals and accompaniment without drums and bass, as MusicGen's melody models expect.

    Runs the `demucs` program found on the PATH. The result has Demucs' sample rate, 44.1 kHz.

    Raises `MissingExtraError` where there is no such program, and `AudioError` where it fails.
    """
    parts = demucs_stems(audio, MELODY_STEMS, (), "choose stems 'harmonic' or 'none'")
    return Audio(torch.stack([part.samples for part in parts]).sum(dim=0), parts[0].sample_rate)
