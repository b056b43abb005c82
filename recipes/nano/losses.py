"""What the codec is judged by."""

import math
from functools import cache

import torch
from torch import Tensor

from recipes.nano.compose.theory import SAMPLE_RATE

MEL_RESOLUTIONS = ((256, 20), (512, 40), (1024, 80), (2048, 96))  # window, bands
FLOOR = 1e-3


def spectrum(audio: Tensor, window: int) -> Tensor:
    """Complex spectrogram of (B, N): (B, window // 2 + 1, frames), a quarter window apart."""
    taper = torch.hann_window(window, device=audio.device)
    return torch.stft(audio, window, window // 4, window=taper, return_complex=True)


@cache
def mel_filters(window: int, bands: int, device: torch.device) -> Tensor:
    """Triangles (bands, window // 2 + 1), equally wide on the mel scale, from 20 Hz to Nyquist."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (20, SAMPLE_RATE / 2))
    edges = 700 * (10 ** (torch.linspace(low, high, bands + 2) / 2595) - 1)
    bins = torch.linspace(0, SAMPLE_RATE / 2, window // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp(min=0).to(device)


def mel_distance(estimate: Tensor, target: Tensor) -> Tensor:
    """Distance of log10 mel magnitudes plus a tenth of the linear one, mean of four resolutions."""
    total = estimate.new_zeros(())
    for window, bands in MEL_RESOLUTIONS:
        filters = mel_filters(window, bands, estimate.device)
        a, b = (
            (filters @ torch.view_as_real(spectrum(x, window)).square().sum(-1))
            .clamp(min=1e-9)
            .sqrt()
            for x in (estimate, target)
        )
        total = total + ((a + FLOOR).log10() - (b + FLOOR).log10()).abs().mean()
        total = total + 0.1 * (a - b).abs().mean() / (b.mean() + FLOOR)
    return total / len(MEL_RESOLUTIONS)


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio of (B, N) signals in dB, (B,)."""
    estimate = estimate - estimate.mean(-1, keepdim=True)
    target = target - target.mean(-1, keepdim=True)
    power = target.square().sum(-1, keepdim=True).clamp(min=1e-8)
    projected = (estimate * target).sum(-1, keepdim=True) / power * target
    noise = (estimate - projected).square().sum(-1)
    return 10 * torch.log10(projected.square().sum(-1) / (noise + 1e-8) + 1e-8)
