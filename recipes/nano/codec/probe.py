"""How well a codec carries recordings: the figures that everything is decided by.

Mean absolute difference of ln(mel power + 1e-4), 80 bands; share of frames whose loudest pitch
class is the same; scale-invariant signal-to-distortion ratio in dB. All on pieces of ten seconds
that nothing was trained on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.nano.codec.lapped import HOP
from recipes.nano.compose.theory import SAMPLE_RATE

START, SECONDS = 20, 10
FLOOR, BANDS, WINDOW, STEP = 1e-4, 80, 2048, 512
SILENT = 0.01  # root mean square of a piece that says nothing
SUFFIXES = frozenset({".ogg", ".wav", ".flac", ".mp3"})

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Fidelity:
    """Means over pieces."""

    mel: float
    chroma: float
    si_sdr: float

    def __str__(self) -> str:
        return f"mel {self.mel:.3f}, chroma {self.chroma:.3f}, SI-SDR {self.si_sdr:.2f} dB"


def read_pieces(folder: Path) -> Iterator[Tensor]:
    """Ten seconds of each recording in a folder, mono at 32 kHz: (samples,)."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        part = samples[START * rate : (START + SECONDS) * rate].mean(1)
        piece = soxr.resample(part, rate, SAMPLE_RATE)
        whole = len(piece) // HOP * HOP
        if whole >= (SECONDS - 1) * SAMPLE_RATE and np.sqrt(np.square(piece).mean()) >= SILENT:
            yield torch.from_numpy(piece[:whole])


def measure_fidelity(pieces: list[Tensor], carry: Callable[[Tensor], Tensor]) -> Fidelity:
    """Figures of pieces (N,) through `carry`, which takes and gives (1, N)."""
    rows = []
    for piece in pieces:
        with torch.no_grad():
            output = carry(piece[None])[0].numpy()
        truth = piece.numpy()
        rows.append(
            (
                np.abs(_log_mel(truth) - _log_mel(output)).mean(),
                (_pitch_classes(truth) == _pitch_classes(output)).mean(),
                _si_sdr(truth, output),
            )
        )
    return Fidelity(*np.mean(rows, axis=0).tolist())


def _log_mel(audio: Samples) -> Samples:
    power = librosa.feature.melspectrogram(
        y=audio, sr=SAMPLE_RATE, n_fft=WINDOW, hop_length=STEP, n_mels=BANDS
    )
    return np.log(power + FLOOR)


def _pitch_classes(audio: Samples) -> NDArray[np.int64]:
    return librosa.feature.chroma_cqt(y=audio, sr=SAMPLE_RATE).argmax(0)


def _si_sdr(truth: Samples, heard: Samples) -> float:
    target = (truth @ heard) / (truth @ truth) * truth
    noise = heard - target
    return float(10 * np.log10((target @ target) / (noise @ noise + 1e-12)))
