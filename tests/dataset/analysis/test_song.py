"""The analysis as a labeller."""

import numpy as np
import pytest
import torch

from recipes.tempo.sounds import PATTERNS, RATE, drums
from songloom.audio.files import Audio
from songloom.audio.transforms import resample
from songloom.dataset.analysis.song import analyse
from songloom.dataset.labels import Labels
from tests.dataset.analysis.test_key import chords


@pytest.mark.parametrize(("rate", "channels"), [(32_000, 2), (8_000, 1), (44_100, 2)])
def test_labels_of_a_song(rate: int, channels: int) -> None:
    tune = chords(7, "major", ("I", "IV", "V", "I"))
    sound = torch.from_numpy(tune + drums(120, 8, PATTERNS["rock"], np.random.default_rng(0)))
    samples = resample(sound.repeat(channels, 1), RATE, rate)
    labels = analyse(Audio(samples, rate))
    assert labels.bpm == pytest.approx(120, rel=0.01)
    assert labels.key == "G major"
    assert labels.voice != "vocal"
    assert labels.genre == labels.mood == labels.instruments == ()
    assert set(labels.sources) == set(labels.confidence) == set(labels.known)
    assert all(0.5 <= share <= 1 for share in labels.confidence.values())
    assert set(labels.sources.values()) == {"analysis"}


@pytest.mark.parametrize("rate", [8_000, 32_000])
@pytest.mark.parametrize(
    "samples",
    [
        torch.zeros(2, 0),
        torch.ones(1, 1),
        torch.zeros(1, 200_000),
        torch.full((2, 50_000), torch.nan),
        torch.full((1, 50_000), torch.inf),
        torch.randn(1, 4_000, generator=torch.Generator().manual_seed(0)),
        torch.full((1, 200_000), 1e-30),
    ],
    ids=["nothing", "one sample", "silence", "NaN", "infinity", "half a second", "denormal"],
)
def test_odd_sounds_have_no_labels(samples: torch.Tensor, rate: int) -> None:
    assert analyse(Audio(samples, rate)) == Labels()


def test_noise_has_a_level_at_most() -> None:
    noise = 0.1 * torch.randn(2, 320_000, generator=torch.Generator().manual_seed(0))
    labels = analyse(Audio(noise, 32_000))
    assert set(labels.known) <= {"dynamics"}
