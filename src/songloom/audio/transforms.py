"""Pure functions on samples: channels and sample rate."""

from __future__ import annotations

import soxr
import torch
from torch import Tensor

from songloom.audio.files import Audio
from songloom.errors import RequestError


def to_mono(samples: Tensor) -> Tensor:
    """Average the channels: `(C, N)` to `(1, N)`."""
    return samples.mean(dim=0, keepdim=True)


def to_channels(samples: Tensor, channels: int) -> Tensor:
    """Give `samples (C, N)` one or two channels: `(channels, N)`.

    Two become one by averaging, one becomes two by doubling. More than two have no order that
    files agree on, so their average goes to both sides: nothing is lost, nothing leans to a side.

    Raises `RequestError` for any other number of channels.
    """
    if channels not in (1, 2):
        raise RequestError(f"channels is {channels}, but must be 1 (mono) or 2 (stereo)")
    if samples.shape[0] == channels:
        return samples
    return to_mono(samples).repeat(channels, 1)


def resample(samples: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Change the sample rate (Hz) of `samples (C, N)`, by soxr at high quality.

    Gives `(C, ceil(N * to_rate / from_rate))`: a clip never loses its last moment.
    """
    if from_rate == to_rate:
        return samples
    length = -(-samples.shape[1] * to_rate // from_rate)
    resampled = soxr.resample(samples.T.contiguous().numpy(), from_rate, to_rate, quality="HQ")
    resampled = torch.from_numpy(resampled).T  # (C, its own rounding of the length)
    return torch.nn.functional.pad(resampled, (0, length - resampled.shape[1])).contiguous()


def convert(audio: Audio, sample_rate: int, channels: int) -> Audio:
    """Give audio the sample rate (Hz) and the channel count (1 or 2) of a model."""
    samples = to_channels(audio.samples, channels)  # first: mostly fewer channels to resample
    return Audio(resample(samples, audio.sample_rate, sample_rate), sample_rate)
