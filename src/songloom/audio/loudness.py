"""Loudness: bring generated audio to the level that listeners expect.

The four strategies are those of the reference implementation, quirks included, so that the same
tokens sound the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from songloom.request import NormalizationStrategy

TARGET_LUFS = -14.0
PEAK = 10 ** (-1 / 20)  # -1 dBFS
RMS = 10 ** (-18 / 20)  # -18 dBFS
NEARLY_SILENT = 2e-3
"""Root mean square under which loudness is left alone, so that noise is not blown up."""

BLOCK_SECONDS = 0.4
HOP_SECONDS = 0.1
ABSOLUTE_GATE = -70.0  # LUFS
RELATIVE_GATE = -10.0  # LU below the mean of what passes the absolute gate

SETTLING_SECONDS = 0.25
"""How long the filters remember: their response has by then decayed below float precision."""


def normalize(samples: Tensor, sample_rate: int, strategy: NormalizationStrategy) -> Tensor:
    """Bring `samples (C, N)` to a level; the result lies within [-1, 1].

    - `loudness`: -14 LUFS by ITU-R BS.1770-4; nearly silent audio (below -54 dBFS) stays as it is.
    - `peak`: the largest sample at -1 dBFS.
    - `clip`: no gain; what is beyond -1 dBFS is cut off.
    - `rms`: -18 dBFS of the channels' mean.

    Silence stays silence.
    """
    match strategy:
        case "loudness":
            audible = samples.numel() > 0 and _rms(samples) >= NEARLY_SILENT
            lufs = integrated_loudness(samples, sample_rate) if audible else TARGET_LUFS
            gain = 10 ** ((TARGET_LUFS - lufs) / 20) if math.isfinite(lufs) else 1.0
            return (samples * gain).clamp(-1, 1)
        case "peak":
            return _scale_to_level(
                samples, float(samples.abs().amax()) if samples.numel() else 0.0, PEAK
            )
        case "rms":
            return _scale_to_level(samples, _rms(samples.mean(dim=0)), RMS)
        case "clip":
            return samples.clamp(-PEAK, PEAK)


def _scale_to_level(samples: Tensor, level: float, target: float) -> Tensor:
    # Smaller than the smallest normal float32 is silence: its gain would be infinite.
    if not level > torch.finfo(torch.float32).tiny:
        return samples
    return (samples * (target / level)).clamp(-1, 1)


def _rms(samples: Tensor) -> float:
    return math.sqrt(float(samples.double().square().mean())) if samples.numel() else 0.0


def integrated_loudness(samples: Tensor, sample_rate: int) -> float:
    """Measure the loudness of `samples (C, N)` in LUFS, by ITU-R BS.1770-4; -inf where silent.

    The K-weighting filters clip their outputs to [-1, 1], as the reference's do, so that audio far
    beyond full scale measures lower than it is. Audio shorter than one 0.4 s block is measured as
    one block of its own length; five channels at most have a weight (L, R, C, Ls, Rs).
    """
    weighted = _k_weighted(samples.cpu(), sample_rate)
    block = min(round(BLOCK_SECONDS * sample_rate), weighted.shape[1])
    hop = round(HOP_SECONDS * sample_rate)
    energy = weighted.double().square().unfold(1, block, hop).mean(dim=2)  # (C, blocks)
    weights = torch.tensor([1, 1, 1, 1.41, 1.41], dtype=energy.dtype)[: len(energy)]
    power = (weights[:, None] * energy[: len(weights)]).sum(dim=0)  # (blocks,)
    loud = power[_lufs(power) > ABSOLUTE_GATE]
    loud = loud[_lufs(loud) > _lufs(loud.mean()) + RELATIVE_GATE]
    return _lufs(loud.mean()).item() if len(loud) else -math.inf


def block_loudness(samples: Tensor, sample_rate: int) -> float:
    """Measure a block `(C, N)` of a few seconds in LUFS, without gates; -inf where silent.

    It weights the spectrum, which is much quicker than `integrated_loudness` and as good where the
    block is long beside the filters' memory.
    """
    length = samples.shape[1]
    spectrum = torch.fft.rfft(samples.float(), dim=1).abs().square()  # (C, frequencies)
    for filter in (_high_shelf(sample_rate), _high_pass(sample_rate)):
        spectrum = spectrum * _response(*filter, length).abs().square().float()
    both_sides = 2 * spectrum.sum(dim=1) - spectrum[:, 0]
    weights = torch.tensor([1, 1, 1, 1.41, 1.41])[: len(both_sides)]
    power = (weights * both_sides[: len(weights)]).sum() / max(1, length) ** 2
    return _lufs(power).item()


def _lufs(power: Tensor) -> Tensor:
    return power.log10() * 10 - 0.691


def _k_weighted(samples: Tensor, sample_rate: int) -> Tensor:
    """Filter `samples (C, N)` piece by piece, each with enough of its past to settle."""
    settling = round(SETTLING_SECONDS * sample_rate)
    length = 1 << (16 * settling).bit_length()  # of the spectra: long beside what is overlapped
    responses = [_response(*_high_shelf(sample_rate), length)]
    responses += [_response(*_high_pass(sample_rate), length)]
    piece = length - 3 * settling
    pieces = []
    for start in range(0, samples.shape[1], piece):
        past = min(start, 2 * settling)
        weighted = samples[:, start - past : start + piece].double()
        whole = weighted.shape[1]
        for response in responses:
            spectrum = torch.fft.rfft(weighted, length) * response
            weighted = torch.fft.irfft(spectrum, length)[:, :whole].clamp(-1, 1)
        pieces.append(weighted[:, past:].float())
    return torch.cat(pieces, dim=1)


def _response(numerator: Tensor, denominator: Tensor, length: int) -> Tensor:
    """Give a recursive filter's frequency response, to be multiplied with a spectrum.

    That is exact where its impulse response has decayed within the zeros that follow the samples.
    torch has no recursive filter of its own, and importing SciPy's costs a second or more.
    """
    response: Tensor = torch.fft.rfft(numerator, length) / torch.fft.rfft(denominator, length)
    return response


# Both filters are biquads by R. Bristow-Johnson's cookbook, "Cookbook formulae for audio EQ".


def _high_shelf(sample_rate: int) -> tuple[Tensor, Tensor]:
    """4 dB more above 1.5 kHz: the effect of the head."""
    amplitude = 10 ** (4.0 / 40)
    cosine, alpha = _angle(1500.0, math.sqrt(0.5), sample_rate)
    up, down = amplitude + 1, amplitude - 1
    slope = 2 * math.sqrt(amplitude) * alpha
    numerator = [
        amplitude * (up + down * cosine + slope),
        -2 * amplitude * (down + up * cosine),
        amplitude * (up + down * cosine - slope),
    ]
    denominator = [
        up - down * cosine + slope,
        2 * (down - up * cosine),
        up - down * cosine - slope,
    ]
    return _to_double(numerator), _to_double(denominator)


def _high_pass(sample_rate: int) -> tuple[Tensor, Tensor]:
    """Nothing much below 38 Hz: the ear hears little there."""
    cosine, alpha = _angle(38.0, 0.5, sample_rate)
    numerator = [(1 + cosine) / 2, -1 - cosine, (1 + cosine) / 2]
    denominator = [1 + alpha, -2 * cosine, 1 - alpha]
    return _to_double(numerator), _to_double(denominator)


def _angle(frequency: float, quality: float, sample_rate: int) -> tuple[float, float]:
    """Give the cosine of a frequency (Hz) on the unit circle, and the bandwidth term alpha."""
    angle = 2 * math.pi * frequency / sample_rate
    return math.cos(angle), math.sin(angle) / (2 * quality)


def _to_double(coefficients: list[float]) -> Tensor:
    return torch.tensor(coefficients, dtype=torch.float64)
