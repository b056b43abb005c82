"""Sounds of a known tempo: clicks, drum patterns and arpeggios, at 16 kHz."""

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

RATE = 16_000
Sound = NDArray[np.float32]

STEPS_PER_BEAT = 4
CHORDS = ((0, 4, 7, 12), (9, 12, 16, 21), (5, 9, 12, 17), (7, 11, 14, 19))
PATTERNS: Mapping[str, tuple[str, str, str]] = {  # kick, snare and hi-hat in sixteenths of a bar
    "rock": ("X.......X.......", "....X.......X...", "x.x.x.x.x.x.x.x."),
    "four on the floor": ("X...X...X...X...", "....X.......X...", "..x...x...x...x."),
    "break": ("X.....X...X.....", "....X.......X..X", "x.x.x.x.x.x.x.x."),
    "sixteenths": ("X.......X.X.....", "....X.......X...", "xxxxxxxxxxxxxxxx"),
    "quarters": ("X.......X.......", "....X.......X...", "x...x...x...x..."),
}


def clicks(bpm: float, seconds: float, *, accents: bool = False) -> Sound:
    """A metronome, if wanted with every fourth click higher and louder."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    for beat, second in enumerate(np.arange(0.1, seconds, 60 / bpm)):
        strong = accents and beat % 4 == 0
        click = _decaying(0.05, 60) * np.sin(2 * np.pi * (1600 if strong else 1000) * _time(0.05))
        _add(sound, click if strong or not accents else 0.6 * click, second)
    return sound


def drums(
    bpm: float,
    seconds: float,
    pattern: tuple[str, str, str],
    random: Generator,
    *,
    swing: float = 0.0,
    looseness: float = 0.0,
) -> Sound:
    """A drum kit; `swing` delays every second eighth by sixteenths, `looseness` is in seconds."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    step = 60 / bpm / STEPS_PER_BEAT
    for index in range(int(seconds / step)):
        late = swing * step * (index % 4 == 2) + looseness * random.standard_normal()
        for lane, hit in zip(pattern, (_kick, _snare, _hat), strict=True):
            if lane[index % len(lane)] != ".":
                _add(sound, hit(random), 0.1 + index * step + late)
    return sound


def arpeggio(bpm: float, seconds: float, notes_per_beat: int, random: Generator) -> Sound:
    """Broken chords, a new one each bar, with two or four notes a beat."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    step = 60 / bpm / notes_per_beat
    order = (0, 1, 2, 3) if notes_per_beat == 4 else (0, 1, 2, 1)
    root = random.integers(48, 60)
    for index in range(int(seconds / step)):
        chord = CHORDS[index // (4 * notes_per_beat) % len(CHORDS)]
        _add(sound, note(root + chord[order[index % 4]], 1.5 * step), 0.1 + index * step)
    return sound


def note(pitch: float, seconds: float) -> Sound:
    """A plucked note of a MIDI pitch with five partials."""
    time = _time(seconds)
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    partials = [np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 6) if hertz * k < 7500]
    shape = np.minimum(time / 0.005, 1) * np.exp(-3 * time) * np.minimum((seconds - time) / 0.01, 1)
    return (0.3 * np.sum(partials, axis=0) * shape).astype(np.float32)


def noise(seconds: float, level: float, random: Generator) -> Sound:
    """White noise of a root mean square."""
    return (level * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def _time(seconds: float) -> NDArray[np.float64]:
    return np.arange(round(seconds * RATE)) / RATE


def _decaying(seconds: float, speed: float) -> NDArray[np.float64]:
    return np.exp(-speed * _time(seconds))


def _kick(random: Generator) -> NDArray[np.float64]:
    phase = 50 * _time(0.25) + 3.3 * (1 - _decaying(0.25, 30))
    return np.sin(2 * np.pi * phase) * _decaying(0.25, 14)


def _snare(random: Generator) -> NDArray[np.float64]:
    rattle = 0.6 * random.standard_normal(len(_time(0.2))) * _decaying(0.2, 20)
    return rattle + 0.5 * np.sin(2 * np.pi * 190 * _time(0.2)) * _decaying(0.2, 25)


def _hat(random: Generator) -> NDArray[np.float64]:
    hiss = np.diff(random.standard_normal(len(_time(0.06))), prepend=0.0)
    return 0.3 * hiss * _decaying(0.06, 70)


def _add(sound: Sound, part: NDArray[np.floating], second: float) -> None:
    start = max(0, round(second * RATE))
    sound[start : start + len(part)] += part[: max(0, len(sound) - start)].astype(np.float32)
