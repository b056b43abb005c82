"""Voice: a weak sign, that must not be wrong."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recipes.tempo.sounds import PATTERNS, RATE, Sound, arpeggio, drums, noise
from songloom.dataset.analysis.voice import partials, voice


def singer(seconds: int, waver: float, seed: int = 0) -> Sound:
    """A voice of three formants that glides from note to note; `waver` is in semitones."""
    random = np.random.default_rng(seed)
    notes = np.repeat(random.integers(55, 72, 2 * seconds), RATE // 2).astype(float)
    smooth = np.convolve(np.pad(notes, 800, mode="edge"), np.ones(1601) / 1601, mode="valid")
    time = np.arange(len(smooth)) / RATE
    hertz = 440 * 2 ** ((smooth + waver * np.sin(2 * math.pi * 5.5 * time) - 69) / 12)
    phase = 2 * math.pi * np.cumsum(hertz) / RATE
    voice = np.zeros(len(phase))
    for harmonic in range(1, 16):
        voice += _formants(harmonic * hertz) * np.sin(harmonic * phase)
    return (0.1 * voice).astype(np.float32)


def _formants(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    bells = [
        gain / (1 + ((hertz - centre) / width) ** 2)
        for centre, width, gain in ((700, 90, 1), (1200, 110, 0.6), (2600, 160, 0.3))
    ]
    return np.sum(bells, axis=0) + 0.02


def test_a_wavering_singer_is_a_voice() -> None:
    alone = singer(16, 0.7)
    for sound in (alone, alone + 0.3 * arpeggio(100, 16, 2, np.random.default_rng(0))):
        heard = voice([sound])
        assert heard is not None
        assert heard.word == "vocal"
        assert 0.5 <= heard.confidence <= 0.7


@pytest.mark.slow
def test_instruments_are_no_voice() -> None:
    random = np.random.default_rng(0)
    for bpm in (70, 100, 130):
        tune = arpeggio(bpm, 20, 2, random)
        for beat in PATTERNS.values():
            heard = voice([tune + drums(bpm, 20, beat, random)])
            assert heard is None or heard.word == "instrumental"
        heard = voice([tune])
        assert heard is not None
        assert heard.word == "instrumental"


@pytest.mark.slow
@pytest.mark.parametrize("waver", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_song_with_a_singer_is_never_instrumental(waver: float, seed: int) -> None:
    tune = arpeggio(100, 16, 2, np.random.default_rng(seed))
    for level in (0.5, 1.0):
        heard = voice([tune + level * singer(16, waver, seed)])
        assert heard is None or heard.word == "vocal"


@pytest.mark.parametrize("seconds", [1 / RATE, 0.5, 10.0])
def test_nothing_is_said_of_noise_and_silence(seconds: float) -> None:
    random = np.random.default_rng(0)
    assert voice([noise(seconds, 0.1, random)]) is None
    assert voice([noise(seconds, 0.0, random)]) is None


def test_a_partial_is_followed() -> None:
    time = np.arange(2 * RATE) / RATE
    track = max(partials(np.sin(2 * math.pi * 440 * time).astype(np.float32)), key=len)
    assert len(track) > 95  # of 101 frames
    assert np.ptp(track[3:-3]) < 0.02
