"""The noise of a diffusion, and the way back from it in a few steps.

Sources: "Denoising Diffusion Probabilistic Models" (Ho et al., 2020); the power schedule of
"From Discrete Tokens to High-Fidelity Audio Using Multi-Band Diffusion" (San Roman et al., 2023).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SAMPLED_STEPS = 20
"""Steps of the way back, out of the thousand that the network was trained on."""


@dataclass(frozen=True)
class PowerSchedule:
    """How much noise each step adds; the defaults are the published ones."""

    beta_t0: float = 1e-5
    """Variance of the noise of the first step."""
    beta_t1: float = 2.9e-2
    """Variance of the noise of the last step."""
    beta_exp: float = 7.5
    """How steeply it rises between."""
    num_steps: int = 1000
    clip: float = 5.0
    """Bound of the signal on the way back."""
    noise_scale: float = 1.0

    def betas(self) -> Tensor:
        """The variance of each step's noise, (num_steps,)."""
        root = 1 / self.beta_exp
        ramp = torch.linspace(self.beta_t0**root, self.beta_t1**root, self.num_steps)
        return ramp**self.beta_exp

    def signal_powers(self) -> Tensor:
        """The signal's part of the power after each step, (num_steps,) in float64."""
        return (1 - self.betas().double()).cumprod(dim=0)

    def way_back(self, count: int = SAMPLED_STEPS) -> list[Step]:
        """The steps in which noise becomes a signal: `count` of them, evenly spaced."""
        visited = list(range(self.num_steps))[:: -max(1, self.num_steps // count)]
        visited = [*visited, 0] if visited[-1] else visited
        powers = self.signal_powers()
        way = []
        for now, following in itertools.pairwise(visited):
            power, next_power = float(powers[now]), float(powers[following])
            kept = power / next_power
            last = following == visited[-1]
            variance = 0.0 if last else (1 - next_power) / (1 - power) * (1 - kept)
            way.append(Step(now, (1 - kept) / (1 - power) ** 0.5, kept**0.5, variance**0.5))
        return way

    def remove_noise(self, x: Tensor, estimate: Tensor, step: Step, noise: Tensor | None) -> Tensor:
        """The signal one step back, given the estimated noise in `x` and, if need be, new noise."""
        previous = (x - step.removed * self.noise_scale * estimate) / step.kept
        if noise is not None:
            previous += step.added * self.noise_scale * noise
        return previous.clamp(-self.clip, self.clip) if self.clip else previous

    def add_noise(self, signals: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        """Signals (B, 1, N), their steps (B,), noise (B, 1, N) -> the signals at these steps."""
        power = self.signal_powers().to(signals)[steps][:, None, None]
        return power.sqrt() * signals + (1 - power).sqrt() * self.noise_scale * noise


@dataclass(frozen=True)
class Step:
    """One step of the way back."""

    index: int
    """Of the diffusion's steps: what the network is told."""
    removed: float
    """Of the estimated noise."""
    kept: float
    """Amplitude that the signal had kept between here and the next step visited."""
    added: float
    """Of new noise; 0 in the last step."""


Noise = Callable[[], Tensor]
"""Gives a signal of white noise at each call."""
