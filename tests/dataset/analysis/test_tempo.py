"""Tempo, on sounds whose tempo is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.tempo.sounds import PATTERNS, RATE, Sound, arpeggio, clicks, drums, noise
from songloom.dataset.analysis.tempo import autocorrelation, onset_strength, tempo

SECONDS = 12.0


def sounds(bpm: int) -> list[Sound]:
    random = np.random.default_rng(bpm)
    # As players do: four notes a beat of a slow one, two of a fast one.
    notes = 4 if bpm < 110 else 2
    rock = drums(bpm, SECONDS, PATTERNS["rock"], random)
    return [
        clicks(bpm, SECONDS),
        clicks(bpm, SECONDS, accents=True),
        arpeggio(bpm, SECONDS, notes, random),
        *(drums(bpm, SECONDS, pattern, random) for pattern in PATTERNS.values()),
        rock + noise(SECONDS, 0.1, random),
        rock + arpeggio(bpm, SECONDS, notes, random),
    ]


@pytest.mark.slow
def test_tempo_and_its_octave() -> None:
    ratios = []
    for bpm in range(60, 201, 10):
        for sound in sounds(bpm):
            heard = tempo([sound])
            ratios.append(heard.bpm / bpm if heard else 0.0)
    right = np.abs(np.array(ratios) - 1) < 0.02
    assert right.mean() > 0.92
    # What is wrong is wrong by an octave or a third, not by a little.
    octaves = np.log2(np.array(ratios)[~right])
    assert (np.abs(octaves * 2 - np.rint(octaves * 2)) < 0.2).mean() > 0.7


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(st.floats(80, 160))
def test_tempo_is_exact_and_independent_of_level(bpm: float) -> None:
    sound = drums(bpm, 20.0, PATTERNS["break"], np.random.default_rng(0))
    heard, quiet = tempo([sound]), tempo([0.01 * sound])
    assert heard is not None
    assert quiet is not None
    assert heard.bpm == pytest.approx(bpm, rel=0.005)
    assert quiet.bpm == pytest.approx(heard.bpm)
    assert heard.confidence > 0.5


def test_excerpts_of_a_song_agree() -> None:
    sound = drums(96, 30.0, PATTERNS["rock"], np.random.default_rng(0))
    heard = tempo([sound[: 10 * RATE], sound[15 * RATE :]])
    assert heard is not None
    assert heard.bpm == pytest.approx(96, rel=0.01)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.9, 4.0, 20.0])
def test_noise_and_silence_have_no_tempo(seconds: float) -> None:
    assert tempo([noise(seconds, 0.1, np.random.default_rng(0))]) is None
    assert tempo([noise(seconds, 0.0, np.random.default_rng(0))]) is None


def test_a_held_note_has_no_tempo() -> None:
    times = np.arange(10 * RATE) / RATE
    assert tempo([np.sin(2 * math.pi * 220 * times).astype(np.float32)]) is None


def test_repetition_is_one_at_no_lag_and_high_after_a_beat() -> None:
    repetition = autocorrelation(onset_strength(clicks(120, 10.0)))
    assert repetition[:, 0].max() == pytest.approx(1)
    assert repetition[-1, 50] > 0.8
    assert abs(repetition[-1, 25]) < 0.1
