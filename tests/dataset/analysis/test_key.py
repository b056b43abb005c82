"""Key, on chords in all keys."""

import numpy as np
import pytest

from recipes.tempo.sounds import PATTERNS, RATE, Sound, drums, noise, note
from songloom.dataset.analysis.key import (
    PITCH_CLASSES,
    fits,
    key,
    measure_tuning,
    peaks,
    pitch_classes,
)

MAJOR = {"I": (0, 4, 7), "IV": (5, 9, 12), "V": (7, 11, 14), "vi": (9, 12, 16), "ii": (2, 5, 9)}
MINOR = {"i": (0, 3, 7), "iv": (5, 8, 12), "V": (7, 11, 14), "v": (7, 10, 14), "VI": (8, 12, 15)}
PROGRESSIONS = {
    "major": [("I", "IV", "V", "I"), ("I", "vi", "IV", "V"), ("I", "ii", "V", "I")],
    "minor": [("i", "iv", "V", "i"), ("i", "VI", "iv", "v"), ("i", "iv", "v", "i")],
}


def chords(tonic: int, mode: str, progression: tuple[str, ...], off: float = 0.0) -> Sound:
    """Four chords, twice, a second each, over their roots in the bass; `off` is in semitones."""
    degrees = MAJOR if mode == "major" else MINOR
    sound = []
    for name in progression * 2:
        pitches = [48 + tonic + step + off for step in degrees[name]]
        sound.append(sum(note(pitch, 1.0) for pitch in [pitches[0] - 12, *pitches]))
    return np.concatenate(sound)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_all_keys(mode: str) -> None:
    for progression in PROGRESSIONS[mode]:
        for tonic, name in enumerate(PITCH_CLASSES):
            heard = key([chords(tonic, mode, progression)])
            assert heard is not None
            assert heard.name == f"{name} {mode}", (progression, heard)


@pytest.mark.parametrize("off", [-0.4, -0.2, 0.25, 0.45])
def test_tuning_does_not_matter(off: float) -> None:
    sound = chords(2, "minor", ("i", "iv", "V", "i"), off)
    heard = key([sound])
    assert heard is not None
    assert heard.name == "D minor"
    assert measure_tuning(*peaks(sound)[:2])[0] == pytest.approx(off, abs=0.05)


def test_drums_hide_no_key() -> None:
    beat = drums(120, 8.0, PATTERNS["rock"], np.random.default_rng(0))
    heard = key([chords(9, "minor", ("i", "VI", "iv", "v")) + 0.5 * beat])
    assert heard is not None
    assert heard.name == "A minor"


def test_the_opening_decides_between_keys_of_the_same_notes() -> None:
    notes = pitch_classes(np.array([57, 60, 64, 53, 57, 60, 48, 52, 55, 55, 59, 62.0]), np.ones(12))
    in_a_minor = pitch_classes(np.array([57, 60, 64.0]), np.ones(3))
    in_c_major = pitch_classes(np.array([48, 52, 55.0]), np.ones(3))
    for opening, better, worse in (
        (in_a_minor, "A minor", "C major"),
        (in_c_major, "C major", "A minor"),
    ):
        scores = fits(notes, opening)
        assert scores[better] > scores[worse]
        assert max(scores, key=scores.__getitem__) == better


def test_clear_keys_are_more_certain() -> None:
    clear = key([chords(0, "major", ("I", "IV", "V", "I"))])
    vague = key([sum(note(60 + step, 4.0) for step in range(0, 12, 3))])  # a diminished chord
    assert clear is not None
    assert vague is None or vague.confidence < clear.confidence


@pytest.mark.parametrize("seconds", [1 / RATE, 0.5, 10.0])
def test_noise_drums_and_silence_have_no_key(seconds: float) -> None:
    random = np.random.default_rng(0)
    assert key([noise(seconds, 0.1, random)]) is None
    assert key([noise(seconds, 0.0, random)]) is None
    assert key([drums(120, seconds, PATTERNS["rock"], random)]) is None
