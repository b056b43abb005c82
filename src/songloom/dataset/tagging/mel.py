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
    from librosa.filters import mel  # takes a while to import

    filters: npt.NDArray[np.float64] = mel(
        sr=RATE, n_fft=FRAME, n_mels=BANDS, norm="slaney", dtype=np.float64
    )
    return filters.T
