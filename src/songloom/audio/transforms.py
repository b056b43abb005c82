"""Pure functions on samples: channels and sample rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import soxr
import torch
from torch import Tensor

from songloom.audio.files import Audio
from songloom.audio.limits import MOST_SAMPLES, check_format
from songloom.errors import AudioError, RequestError


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

    Raises `AudioError` for a rate that no recording has, or a result beyond memory.
    """
    if from_rate == to_rate:
        return samples
    for rate in (from_rate, to_rate):
        check_format("the sound", rate, samples.shape[0])
    length = -(-samples.shape[1] * to_rate // from_rate)
    if length * samples.shape[0] > MOST_SAMPLES:
        raise AudioError(
            f"the sound is too long to hold in memory at {to_rate} Hz "
            f"({length / to_rate / 60:.0f} minutes): expected at most {MOST_SAMPLES} samples; cut "
            "it into shorter ones"
        )
    resampled = soxr.resample(samples.T.contiguous().numpy(), from_rate, to_rate, quality="HQ")
    resampled = torch.from_numpy(resampled).T  # (C, its own rounding of the length)
    return torch.nn.functional.pad(resampled, (0, length - resampled.shape[1])).contiguous()


def convert(audio: Audio, sample_rate: int, channels: int) -> Audio:
    """Give audio the sample rate (Hz) and the channel count (1 or 2) of a model."""
    samples = to_channels(audio.samples, channels)  # first: mostly fewer channels to resample
    return Audio(resample(samples, audio.sample_rate, sample_rate), sample_rate)


def convert_stream(pieces: Iterable[Audio], sample_rate: int, channels: int) -> Iterator[Tensor]:
    """Do as `convert` does, for pieces `(C, n)` of one recording as they come.

    Gives `(channels, m)`, m > 0, which joined are what `convert` makes of the whole.
    """
    resampler: _Resampler | None = None
    for piece in pieces:
        samples = to_channels(piece.samples, channels)
        if piece.sample_rate != sample_rate:
            resampler = resampler or _Resampler(piece.sample_rate, sample_rate, channels)
            samples = resampler.push(samples)
        if samples.shape[1]:
            yield samples
    if resampler is not None and (rest := resampler.finish()).shape[1]:
        yield rest


class _Resampler:
    """Changes the sample rate of pieces of one recording, as `resample` changes the whole's."""

    def __init__(self, from_rate: int, to_rate: int, channels: int) -> None:
        for rate in (from_rate, to_rate):
            check_format("the sound", rate, channels)
        self._from, self._to, self._channels = from_rate, to_rate, channels
        self._soxr = soxr.ResampleStream(from_rate, to_rate, channels, quality="HQ")
        self._taken = self._given = 0

    def push(self, samples: Tensor) -> Tensor:
        """Take `(C, n)`, give what is certain by now: `(C, m)`, m may be 0."""
        self._taken += samples.shape[1]
        return self._limit_length(self._soxr.resample_chunk(samples.T.contiguous().numpy()))

    def finish(self) -> Tensor:
        """Give the rest, `(C, m)`."""
        nothing = np.zeros((0, self._channels), np.float32)
        rest = self._limit_length(self._soxr.resample_chunk(nothing, last=True))
        return torch.nn.functional.pad(rest, (0, self._length - self._given))

    @property
    def _length(self) -> int:
        return -(-self._taken * self._to // self._from)

    def _limit_length(self, resampled: npt.NDArray[np.float32]) -> Tensor:
        # soxr's own rounding of the length may be a sample more than ours, or less.
        samples = torch.from_numpy(resampled[: self._length - self._given]).T.contiguous()
        self._given += samples.shape[1]
        return samples
