"""The mel spectrogram of MusiCNN and of what was trained on it: essentia's TensorflowInputMusiCNN.

16 kHz, frames of 512 samples every 256, a Hann window, 96 triangles on M. Slaney's mel scale of
unit area in hertz, over the power spectrum, and log10(1 + 10000 x).
J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging"
(ISMIR 2019).
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

RATE = 16_000
FRAME, HOP = 512, 256
BANDS = 96
SCALE = 10_000.0
PATCH_FRAMES = 128
PATCH_HOP = 62  # frames: about a patch a second


def mel_spectrogram(samples: Array) -> Array:
    """Give the spectrogram `(F, BANDS)` of mono samples `(N,)` at `RATE`.

    The first frame is centred on the first sample, and the last reaches past the last one.
    """
    count = 1 + -(-len(samples) // HOP)
    padded = np.pad(samples, (FRAME // 2, (count - 1) * HOP + FRAME // 2 - len(samples)))
    cut = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(cut * _window())) ** 2
    mel: Array = np.log10(1 + SCALE * (power @ _filters())).astype(np.float32)
    return mel


def patches(mel: Array) -> Array:
    """Cut `(F, BANDS)` to patches `(P, PATCH_FRAMES, BANDS)`, at least one.

    As in essentia, an unfinished last patch is left out; a sound of less than one is repeated.
    """
    if len(mel) < PATCH_FRAMES:
        mel = np.resize(mel, (PATCH_FRAMES, BANDS))
    views = np.lib.stride_tricks.sliding_window_view(mel, PATCH_FRAMES, axis=0)
    cut: Array = np.ascontiguousarray(views[::PATCH_HOP].transpose(0, 2, 1))
    return cut


@functools.cache
def _window() -> npt.NDArray[np.float64]:
    return np.hanning(FRAME)


@functools.cache
def _filters() -> npt.NDArray[np.float64]:
    """Weights of frequencies in bands: `(FRAME // 2 + 1, BANDS)`."""
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)[:, None]
    edges = _hertz(np.linspace(0, _mel(np.array(RATE / 2)), BANDS + 2))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((hertz - low) / (centre - low), (high - hertz) / (high - centre))
    filters: npt.NDArray[np.float64] = np.maximum(triangles, 0) * 2 / (high - low)
    return filters


# Slaney's scale: even steps below 1 kHz, even ratios above.
BREAK = 1000.0  # Hz
STEP = 200 / 3  # Hz of a mel below
RATIO = np.log(6.4) / 27  # of a mel above


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = BREAK / STEP + np.log(np.maximum(hertz, BREAK) / BREAK) / RATIO
    return np.where(hertz < BREAK, hertz / STEP, above)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = BREAK * np.exp(RATIO * (mel - BREAK / STEP))
    return np.where(mel < BREAK / STEP, mel * STEP, above)
