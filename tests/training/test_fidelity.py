"""Figures of what a codec keeps, and of how near clips are to songs."""

import math

import pytest
import torch
from torch import Tensor

from songloom.training.fidelity import (
    Fidelity,
    is_quiet,
    mean_fidelity,
    measure_fidelity,
    measure_flaws,
    spectral_distance,
)

RATE = 32_000


def tone(pitch: float, seconds: float = 1.0, level: float = 0.3) -> Tensor:
    time = torch.arange(round(seconds * RATE)) / RATE
    return (level * torch.sin(2 * math.pi * pitch * time))[None]


def noise(seconds: float = 1.0, level: float = 0.1, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(1, round(seconds * RATE), generator=draw) * level


def test_a_sound_is_itself() -> None:
    found = measure_fidelity(tone(440) + noise(level=0.01), tone(440) + noise(level=0.01), RATE)
    assert found.log_mel == 0
    assert found.chroma == 1
    assert found.si_sdr > 60


def test_noise_of_a_tenth_is_twenty_decibels_down() -> None:
    sound, other = noise(level=0.1), noise(level=0.01, seed=1)
    found = measure_fidelity(sound, sound + other, RATE)
    assert found.si_sdr == pytest.approx(20, abs=0.3)
    # The level of the whole does not matter to the ratio, and does to the bands.
    quieter = measure_fidelity(sound, 0.5 * (sound + other), RATE)
    assert quieter.si_sdr == pytest.approx(found.si_sdr, abs=0.01)
    assert quieter.log_mel == pytest.approx(math.log(4), abs=0.1)


def test_another_pitch_is_heard() -> None:
    assert measure_fidelity(tone(440), tone(440 * 2 ** (3 / 12)), RATE).chroma < 0.1
    assert measure_fidelity(tone(440), tone(880), RATE).chroma > 0.9


def test_stereo_is_folded_and_the_longer_is_cut() -> None:
    left, right = tone(440), tone(660)
    both = torch.cat([left, right])
    found = measure_fidelity(both, torch.cat([(left + right) / 2, noise(0.1)], 1), RATE)
    assert found.log_mel == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("log_mel", "chroma", "grade"),
    [
        (0.7, 0.85, "well"),
        (0.71, 0.85, "roughly"),
        (0.7, 0.84, "roughly"),
        (1.1, 0.65, "roughly"),
        (1.11, 0.99, "hardly"),
        (0.1, 0.64, "hardly"),
    ],
)
def test_grades(log_mel: float, chroma: float, grade: str) -> None:
    assert Fidelity(log_mel, chroma, 0.0).grade == grade


def test_silence_has_no_pitch_and_is_measured_all_the_same() -> None:
    found = measure_fidelity(tone(440), torch.zeros(1, RATE), RATE)
    assert found.log_mel > 0.5
    assert found.si_sdr <= 0


def test_means() -> None:
    assert mean_fidelity([Fidelity(1, 0.5, -2), Fidelity(3, 1.0, 4)]) == Fidelity(2, 0.75, 1)


def test_distances_are_of_sound_and_not_of_level() -> None:
    songs = [noise(seed=1), noise(seed=2)]
    same = spectral_distance([noise(seed=3), 0.2 * noise(seed=4)], songs, RATE)
    other = spectral_distance([tone(440)], songs, RATE)
    assert same < 0.1
    assert other > 2
    assert spectral_distance(songs, songs, RATE) == 0


def test_flaws() -> None:
    half = torch.cat([tone(440, 1.0), torch.zeros(1, RATE)], 1)
    assert measure_flaws([half], RATE).silent == 0.5
    assert measure_flaws([half, tone(440, 2.0)], RATE).silent == 0.25
    assert measure_flaws([tone(440)], RATE).clipped == 0
    loud = tone(440, level=2.0).clamp(-1, 1)  # a sine is beyond its half for two thirds
    assert measure_flaws([loud], RATE).clipped == pytest.approx(2 / 3, abs=0.01)
    assert measure_flaws([tone(440, 0.05)], RATE).silent == 0  # shorter than a window
    assert measure_flaws([], RATE).silent == 0


def test_quiet_excerpts() -> None:
    assert is_quiet(tone(440, level=0.01))
    assert not is_quiet(tone(440, level=0.1))
