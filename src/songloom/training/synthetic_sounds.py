"""Sounds of many kinds, made by arithmetic: music that is nobody's, to compare codecs with.

A decoder that is tuned to some songs must not get much worse on other music. These stand for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

SECONDS = 2.0
_LEVEL = 0.1
"""Root mean square of every sound."""


def make_sounds(sample_rate: int) -> list[Tensor]:
    """Ten sounds (N,) of two seconds, always the same; neighbours are of different kinds."""
    time = torch.arange(round(SECONDS * sample_rate)) / sample_rate
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(len(time), generator=draw)
    chord, other = (220.0, 277.2, 329.6), (146.8, 174.6, 220.0)
    kinds: list[Callable[[], Tensor]] = [
        lambda: _pluck_strings(time, chord, 4),
        lambda: _drums(time, noise, 120),
        lambda: _saw(time, 55.0) * _swell(time),
        lambda: _bells(time, 660.0),
        lambda: _smooth_noise(noise, 9) * _swell(time),
        lambda: _drums(time, noise, 90) + 0.5 * _saw(time, 73.4),
        lambda: _pluck_strings(time, other, 6) + 0.3 * _drums(time, noise, 140),
        lambda: sum((_saw(time, p) for p in other), torch.zeros_like(time)) * _swell(time),
        lambda: _bells(time, 392.0) + 0.2 * _smooth_noise(noise, 3),
        lambda: _glide(time, 110.0, 1760.0),
    ]
    sounds = [kind() for kind in kinds]
    return [sound / sound.square().mean().sqrt() * _LEVEL for sound in sounds]


def _beats(time: Tensor, rate: float) -> Tensor:
    """Seconds since the last of `rate` beats a second."""
    return torch.remainder(time, 1 / rate)


def _pluck_strings(time: Tensor, pitches: tuple[float, ...], rate: float) -> Tensor:
    since = _beats(time, rate)
    strings = torch.zeros_like(time)
    for i, pitch in enumerate(pitches):
        for partial in range(1, 8):
            phase = 2 * math.pi * pitch * partial * time + i
            strings += torch.sin(phase) * torch.exp(-since * (2 + partial)) / partial
    return strings


def _saw(time: Tensor, pitch: float) -> Tensor:
    partials = range(1, min(40, int(8000 / pitch)))
    phases = (2 * math.pi * pitch * n * time for n in partials)
    return sum(
        (torch.sin(phase) / n for n, phase in zip(partials, phases, strict=True)),
        torch.zeros_like(time),
    )


def _bells(time: Tensor, pitch: float) -> Tensor:
    since = _beats(time, 2)
    strength = 4 * torch.exp(-3 * since)
    return torch.sin(
        2 * math.pi * pitch * time + strength * torch.sin(2 * math.pi * 1.4 * pitch * time)
    ) * (torch.exp(-2 * since))


def _drums(time: Tensor, noise: Tensor, tempo: float) -> Tensor:
    beat = tempo / 60
    kick, snare, hat = (
        _beats(time + shift, rate)
        for shift, rate in ((0, beat), (0.5 / beat, beat / 2), (0, 4 * beat))
    )
    low = torch.sin(2 * math.pi * 50 * kick + 12 * (1 - torch.exp(-30 * kick))) * torch.exp(
        -9 * kick
    )
    bright = noise - noise.roll(1)
    return low + 0.3 * noise * torch.exp(-18 * snare) + 0.08 * bright * torch.exp(-70 * hat)


def _glide(time: Tensor, low: float, high: float) -> Tensor:
    octaves = math.log(high / low) / SECONDS
    return torch.sin(2 * math.pi * low * (torch.exp(octaves * time) - 1) / octaves)


def _swell(time: Tensor) -> Tensor:
    return torch.sin(math.pi * time / SECONDS) + 0.1


def _smooth_noise(noise: Tensor, width: int) -> Tensor:
    kernel = torch.ones(1, 1, width) / width
    return torch.nn.functional.conv1d(noise[None, None], kernel, padding="same")[0, 0]
