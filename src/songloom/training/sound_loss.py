"""How far a sound is from another, to be derived: what a codec's decoder is tuned by.

Shapes: B sounds, N samples.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

RESOLUTIONS = ((512, 40), (1024, 80), (2048, 80))
"""Windows and their mel bands; a quarter of a window lies between two frames."""
MEL_FLOOR, STFT_FLOOR = 1e-4, 1e-5
QUIET = 0.01
"""Root mean square (-40 dBFS) of what counts as quiet."""
MEL_WEIGHT, STFT_WEIGHT, WAVE_WEIGHT = 1.0, 0.5, 1.0


def sound_loss(decoded: Tensor, original: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Compare (B, N) with (B, N), at several resolutions of the spectrum and sample by sample.

    Returns:
        The loss, and of it the log-mel distance alone.
    """
    mel, stft = decoded.new_zeros(()), decoded.new_zeros(())
    for window, bands in RESOLUTIONS:
        filters = _mel_filters(window, bands, sample_rate, decoded.device)
        x, y = (_power(sound, window) for sound in (original, decoded))
        mel_x, mel_y = ((filters @ power + MEL_FLOOR).log() for power in (x, y))
        mel = mel + (mel_x - mel_y).abs().mean() / len(RESOLUTIONS)
        x, y = ((power + STFT_FLOOR).sqrt() for power in (x, y))
        off = (x - y).square().sum().sqrt() / x.square().sum().sqrt()
        stft = stft + off / len(RESOLUTIONS)
    # In proportion to the sound, as SI-SDR is; of silence, there are no proportions.
    power = original.square().mean(-1) + QUIET**2
    wave = ((decoded - original).square().mean(-1) / power + 1e-6).sqrt().mean()
    return MEL_WEIGHT * mel + STFT_WEIGHT * stft + WAVE_WEIGHT * wave, mel.detach()


def _power(sound: Tensor, window: int) -> Tensor:
    taper = torch.hann_window(window, device=sound.device)
    spectrum = torch.stft(sound, window, window // 4, window=taper, return_complex=True)
    return torch.view_as_real(spectrum).square().sum(-1)


@cache
def _mel_filters(window: int, bands: int, sample_rate: int, device: torch.device) -> Tensor:
    from librosa.filters import mel

    filters = mel(sr=sample_rate, n_fft=window, n_mels=bands)
    return torch.from_numpy(filters).to(device)
