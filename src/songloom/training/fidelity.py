"""How well a codec carries music, and how near clips are to songs: figures that need no model.

A language model over a codec's tokens can at best sound as the codec does. So what the codec makes
of a song is the ceiling of any training on it, whatever its loss does.

Shapes: C channels, N samples; stereo is folded to mono.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

Grade = Literal["well", "roughly", "hardly"]

WELL_LOG_MEL, WELL_CHROMA = 0.7, 0.85
ROUGHLY_LOG_MEL, ROUGHLY_CHROMA = 1.1, 0.65
"""Bounds of the grades: log-mel distance of at most, agreement of the pitch of at least."""
SILENCE_SECONDS, SILENCE_RMS = 0.1, 0.003
"""Windows of this length below this level (-50 dBFS) are silent."""
FULL_SCALE = 0.9999
"""From here on a sample counts as clipped."""
QUIET_RMS = 0.01
"""Excerpts below this level (-40 dBFS) say little about a codec, and are passed over."""
PITCH_SECONDS = 2.5
"""The shortest sound that the lowest octave of a constant-Q transform has a window for."""
_FFT, _HOP = 2048, 512
_BANDS, _FLOOR = 80, 1e-4
_STYLE_BANDS, _STYLE_FLOOR, _STYLE_RMS = 64, 1e-5, 0.1


@dataclass(frozen=True)
class Fidelity:
    """The fidelity of a recording after the codec."""

    log_mel: float
    """Mean absolute difference of ln(mel power + 1e-4) in 80 bands; 0 is the same."""
    chroma: float
    """Share of the frames whose strongest pitch class is the same."""
    si_sdr: float
    """Scale-invariant signal-to-distortion ratio in dB."""

    @property
    def grade(self) -> Grade:
        """In a word."""
        if self.log_mel <= WELL_LOG_MEL and self.chroma >= WELL_CHROMA:
            return "well"
        if self.log_mel <= ROUGHLY_LOG_MEL and self.chroma >= ROUGHLY_CHROMA:
            return "roughly"
        return "hardly"


@dataclass(frozen=True)
class Flaws:
    """Shares of what nobody wants to hear, from 0 to 1."""

    silent: float
    """Of windows of a tenth of a second."""
    clipped: float
    """Of samples, before any level is set."""


def measure_fidelity(original: Tensor, decoded: Tensor, sample_rate: int) -> Fidelity:
    """Compare what went into a codec (C, N) with what came out of it (C, N)."""
    x, y = _to_mono_array(original), _to_mono_array(decoded)
    length = min(len(x), len(y))
    x, y = x[:length], y[:length]
    mels = [_log_mel(each, sample_rate, _BANDS, _FLOOR) for each in (x, y)]
    pitches = [_pitches(each, sample_rate) for each in (x, y)]
    return Fidelity(
        log_mel=float(np.abs(mels[0] - mels[1]).mean()),
        chroma=float((pitches[0] == pitches[1]).mean()),
        si_sdr=_si_sdr(x, y),
    )


def mean_fidelity(all_of_them: Sequence[Fidelity]) -> Fidelity:
    """The mean of at least one."""
    rows = [(each.log_mel, each.chroma, each.si_sdr) for each in all_of_them]
    return Fidelity(*(float(value) for value in np.mean(rows, axis=0)))


def spectral_distance(clips: Sequence[Tensor], others: Sequence[Tensor], sample_rate: int) -> float:
    """How far the sound of some clips is from that of others, at the same level; 0 is the same.

    Each clip (C, N) is described by the mean and the standard deviation over time of
    ln(mel power + 1e-5) in 64 bands, and the clips of a side by the mean of these.
    """
    sides = [
        np.mean([_sound(_to_mono_array(clip), sample_rate) for clip in s], 0)
        for s in (clips, others)
    ]
    return float(np.abs(sides[0] - sides[1]).mean())


def measure_flaws(clips: Sequence[Tensor], sample_rate: int) -> Flaws:
    """Shares of silence and of clipping in clips (C, N), as decoded."""
    size = round(SILENCE_SECONDS * sample_rate)
    levels, loud, samples = [], 0, 0
    for clip in clips:
        mono = _to_mono_array(clip)
        usable = max(1, len(mono) // size) * size
        windows = np.pad(mono, (0, max(0, usable - len(mono))))[:usable].reshape(-1, size)
        levels.append(np.sqrt((windows**2).mean(1)))
        loud += int((clip.abs() >= FULL_SCALE).sum())
        samples += clip.numel()
    silent = float((np.concatenate(levels) < SILENCE_RMS).mean()) if levels else 0.0
    return Flaws(silent, loud / max(1, samples))


def is_quiet(samples: Tensor) -> bool:
    """Whether an excerpt (C, N) is too quiet to be compared."""
    return float(samples.float().square().mean().sqrt()) < QUIET_RMS


def _to_mono_array(samples: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    mono: np.ndarray[Any, np.dtype[np.float32]] = samples.detach().float().cpu().mean(0).numpy()
    return mono


def _pitches(x: np.ndarray[Any, Any], sample_rate: int) -> Any:
    """The strongest pitch class of each frame of a sound."""
    import librosa

    frames = len(x) // _HOP + 1
    longer = np.pad(x, (0, max(0, round(PITCH_SECONDS * sample_rate) - len(x))))
    with warnings.catch_warnings():
        # Of silence, or noise, there is no tuning to be estimated; it is taken to be in tune.
        warnings.filterwarnings("ignore", "Trying to estimate tuning", UserWarning)
        chroma = librosa.feature.chroma_cqt(y=longer, sr=sample_rate, hop_length=_HOP)
    return chroma.argmax(0)[:frames]


def _log_mel(x: np.ndarray[Any, Any], sample_rate: int, bands: int, floor: float) -> Any:
    import librosa

    power = librosa.feature.melspectrogram(
        y=x, sr=sample_rate, n_fft=_FFT, hop_length=_HOP, n_mels=bands
    )
    return np.log(power + floor)


def _sound(x: np.ndarray[Any, Any], sample_rate: int) -> Any:
    level = np.sqrt((x**2).mean()) + 1e-9
    mel = _log_mel(x / level * _STYLE_RMS, sample_rate, _STYLE_BANDS, _STYLE_FLOOR)
    return np.concatenate([mel.mean(1), mel.std(1)])


def _si_sdr(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    target = (x @ y) / (x @ x + 1e-12) * x
    noise = y - target
    return float(10 * np.log10((target @ target + 1e-12) / (noise @ noise + 1e-12)))
