"""Losses of the codec: mel spectra of several resolutions, tones, pitch and the waveform."""

from dataclasses import dataclass
from functools import cache

import librosa
import torch
from torch import Tensor

from recipes.nano.codec.lapped import cosine_basis, split_frames
from recipes.nano.compose.theory import SAMPLE_RATE

MAIN = (2048, 80)  # samples of a window, mel bands
OTHERS = ((512, 32), (1024, 64), (4096, 128))
PITCH_WINDOW = 8192  # samples, in which semitones are apart from 65 Hz on
LOWEST, SEMITONES = 55.0, 75  # Hz, and how many from there
FLOOR = 1e-4  # of mel power with the main window; those of others are in proportion
TONAL_FLOOR = 30.0  # Frobenius norm of a magnitude spectrogram that counts as silence
PITCH_FLOOR = 3.0  # norm of a frame's semitones that counts as silence
WAVE_FLOOR = 0.5  # energy of an excerpt that counts as silence
LEAST = 1e-3  # share of an error, from which less is not better


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts."""

    tones: float = 0.5
    pitch: float = 1.0
    wave: float = 0.2
    """Of a dB of error."""


@dataclass(frozen=True)
class Losses:
    """Parts of the loss, each a scalar."""

    mel: Tensor
    """Mean distance in nats of the main mel spectrum."""
    other_mel: Tensor
    """The same of another resolution, drawn each time."""
    tones: Tensor
    """Spectral convergence, for long windows."""
    pitch: Tensor
    """Share of a frame's semitones that differs, every frame alike."""
    wave: Tensor
    """Error in dB below the signal, negative when it is less."""
    weighted_wave: Tensor
    """The same with soft frequencies raised."""


def measure_losses(output: Tensor, target: Tensor, emphasis: Tensor) -> Losses:
    """Compare audio (B, N).

    Args:
        output: what the codec made.
        target: what it should be.
        emphasis: (HOP,) weight of each coefficient of the transform.
    """
    window, bands = OTHERS[int(torch.randint(len(OTHERS), ()))]
    main_output, main_target = _power(output, MAIN[0]), _power(target, MAIN[0])
    other_output, other_target = _power(output, window), _power(target, window)
    tones = _convergence(main_output, main_target)
    if window > MAIN[0]:
        tones = tones + _convergence(other_output, other_target)
    basis = cosine_basis() * emphasis
    return Losses(
        mel=_mel_distance(main_output, main_target, *MAIN),
        other_mel=_mel_distance(other_output, other_target, window, bands),
        tones=tones,
        pitch=_pitch_distance(output, target),
        wave=_error_level(output, target),
        weighted_wave=_error_level(
            (split_frames(output) @ basis).flatten(1), (split_frames(target) @ basis).flatten(1)
        ),
    )


@cache
def mel_filters(window: int, bands: int) -> Tensor:
    """librosa's mel filters (bands, window / 2 + 1)."""
    return torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=window, n_mels=bands))


@cache
def semitone_filters() -> Tensor:
    """Bells around semitones (SEMITONES, PITCH_WINDOW / 2 + 1)."""
    frequencies = torch.arange(PITCH_WINDOW // 2 + 1) * SAMPLE_RATE / PITCH_WINDOW
    centers = LOWEST * 2 ** (torch.arange(SEMITONES)[:, None] / 12)
    widths = (0.02 * centers).clamp(min=0.7 * SAMPLE_RATE / PITCH_WINDOW)
    return torch.exp(-0.5 * ((frequencies - centers) / widths).square())


def _power(audio: Tensor, window: int) -> Tensor:
    spectrum = torch.stft(
        audio, window, window // 4, window=torch.hann_window(window), return_complex=True
    )
    return spectrum.real.square() + spectrum.imag.square()


def _mel_distance(output: Tensor, target: Tensor, window: int, bands: int) -> Tensor:
    filters, floor = mel_filters(window, bands), FLOOR * window / MAIN[0]
    return ((filters @ output + floor).log() - (filters @ target + floor).log()).abs().mean()


def _convergence(output: Tensor, target: Tensor) -> Tensor:
    heard, wanted = (output + 1e-8).sqrt(), target.sqrt()
    error = (heard - wanted).square().sum((1, 2)).sqrt()
    return (error / (wanted.square().sum((1, 2)).sqrt() + TONAL_FLOOR)).mean()


def _pitch_distance(output: Tensor, target: Tensor) -> Tensor:
    heard, wanted = (
        (semitone_filters() @ _power(audio, PITCH_WINDOW) + 1e-6).sqrt()
        for audio in (output, target)
    )
    error = (heard - wanted).square().sum(1) + 1e-6
    return (error.sqrt() / (wanted.norm(dim=1) + PITCH_FLOOR)).mean()


def _error_level(output: Tensor, target: Tensor) -> Tensor:
    error = (output - target).square().sum(1) / (target.square().sum(1) + WAVE_FLOOR)
    return 10 * torch.log10(error + LEAST).mean()
