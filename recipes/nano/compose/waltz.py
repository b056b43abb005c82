"""Clockwork waltzes: a style that the embedded model is never trained on.

They are the example songs of fine-tuning. Nothing of `styles` is in them: three beats a bar, a
celesta, plucked strings, and a wood block that ticks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from recipes.nano.compose.theory import MODES, SAMPLE_RATE, Key, at_or_above

GRID = 640  # samples: a finer grid than the codec's, so that little here is as nano knows it
SIXTEENTHS = 12  # per bar: three beats
HARMONY_LOW, MELODY_LOW = 52, 64  # E3, E4
BEAT = 4
LEAD, STRINGS, TICK = "celesta", "plucked strings", "wood block"
PROGRAMS = {LEAD: 8, STRINGS: 45, TICK: 115}  # General MIDI, from 0
HIGHEST_PITCH = MELODY_LOW + 24
TICK_PITCHES = (76, 84, 84)  # tock, tick, tick

# The chords of a theme, as scale degrees.
MAJOR = ((0, 5, 3, 4, 0, 5, 4, 0), (0, 3, 0, 4, 5, 3, 4, 0), (0, 4, 5, 3, 0, 3, 4, 0))
MINOR = ((0, 3, 0, 4, 5, 3, 4, 0), (0, 5, 2, 6, 3, 0, 4, 0), (0, 6, 5, 4, 0, 3, 4, 0))
FIGURES = (  # six eighths, as steps from the chord's root
    (0, 2, 4, 7, 4, 2),
    (0, 4, 2, 4, 7, 4),
    (7, 4, 2, 0, 2, 4),
    (4, 2, 0, 2, 4, 7),
    (2, 4, 7, 9, 7, 4),
    (7, 9, 7, 4, 2, 4),
    (4, 7, 4, 2, 4, 0),
    (0, 1, 2, 4, 2, 4),
)
RHYTHMS = ((4, 4, 4), (8, 4), (4, 2, 2, 4), (6, 2, 4), (4, 4, 2, 2))
STEPS = (-2, -1, -1, 1, 1, 2)


@dataclass(frozen=True)
class Note:
    """One note of a bar."""

    instrument: str
    onset: int
    """Sixteenths from the start of the bar."""
    length: int
    """Sixteenths."""
    pitch: int
    """MIDI."""
    gain: float


Bar = tuple[Note, ...]
Chord = tuple[int, int, int]
Line = tuple[tuple[int, int, int], ...]
"""(onset, length, steps from the chord's root) of a bar of melody."""
CADENCE: Line = ((0, 4, 2), (4, 8, 0))


@dataclass(frozen=True)
class Waltz:
    """A song with a beginning and an end."""

    title: str
    key: Key
    grid_per_sixteenth: int
    bars: tuple[Bar, ...]

    @property
    def bpm(self) -> float:
        """Beats a minute."""
        return 60.0 * SAMPLE_RATE / (4 * self.grid_per_sixteenth * GRID)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.bars) * SIXTEENTHS * self.grid_per_sixteenth * GRID / SAMPLE_RATE


def compose_waltz(title: str, key: Key, grid_per_sixteenth: int) -> Waltz:
    """Write a waltz of 30 to 40 seconds; the same title gives the same one.

    Introduction, theme, (in a fast one) bridge, variation in running eighths, ending.
    """
    random = Random(title)
    chords = random.choice(MINOR if 3 in MODES[key.mode] else MAJOR)
    question, answer = _line(random), _line(random)
    theme = (question, question, answer, answer, question, question, answer, CADENCE)
    first, second = (_running(figure) for figure in random.sample(FIGURES, 2))
    variation = (first, second, first, second, second, first, second, CADENCE)
    opening = chords[: 4 if grid_per_sixteenth < 6 else 2]
    bridge = (3, 3, 4, 4) if grid_per_sixteenth < 7 else ()
    sections = (
        (opening[0], ()),
        *((chord, first) for chord in opening[1:]),
        *zip(chords, theme, strict=True),
        *((chord, second) for chord in bridge),
        *zip(chords, variation, strict=True),
        *((0, first) for _ in opening[1:]),
    )
    bars = [*_played(key, sections), _last_bar(key)]
    return Waltz(title, key, grid_per_sixteenth, tuple(bars))


def _line(random: Random) -> Line:
    """A bar of melody that begins on a tone of the chord and walks from there."""
    step, onset, tones = random.choice((0, 2, 4)), 0, []
    for length in random.choice(RHYTHMS):
        tones.append((onset, length, step))
        step = max(-1, min(7, step + random.choice(STEPS)))
        onset += length
    return tuple(tones)


def _running(figure: tuple[int, ...]) -> Line:
    return tuple((2 * i, 2, step) for i, step in enumerate(figure))


def _played(key: Key, sections: Sequence[tuple[int, Line]]) -> Iterator[Bar]:
    chord: Chord | None = None
    for degree, line in sections:
        chord = voiced(key.triad(degree), chord, HARMONY_LOW + 5)
        yield (*_accompaniment(key, degree, chord), *_ticks(), *_melody(key, degree, line))


def _accompaniment(key: Key, degree: int, chord: Chord) -> Iterator[Note]:
    """Root, chord, chord."""
    root = at_or_above(key.semitones(degree) % 12, HARMONY_LOW)
    yield Note(STRINGS, 0, BEAT, root, 1.0)
    for onset in (BEAT, 2 * BEAT):
        for pitch in chord:
            yield Note(STRINGS, onset, BEAT, pitch, 0.5)


def _ticks() -> Iterator[Note]:
    for beat, pitch in enumerate(TICK_PITCHES):
        yield Note(TICK, beat * BEAT, 2, pitch, 0.5)


def _melody(key: Key, degree: int, line: Line) -> Iterator[Note]:
    for onset, length, step in line:
        yield Note(LEAD, onset, length, _lead_pitch(key, degree + step), 1.0)


def _lead_pitch(key: Key, degree: int) -> int:
    """A scale degree, in the octaves where the celesta plays."""
    pitch = at_or_above(key.tonic, MELODY_LOW - 5) + key.semitones(degree) - key.tonic
    return pitch - 12 if pitch > HIGHEST_PITCH else pitch


def _last_bar(key: Key) -> Bar:
    """The tonic, held by all."""
    root = at_or_above(key.tonic, HARMONY_LOW)
    chord = (root, *voiced(key.triad(0), None, MELODY_LOW))
    return tuple(
        Note(player, 0, SIXTEENTHS, pitch, 0.7) for player in (STRINGS, LEAD) for pitch in chord
    )


def voiced(
    chord: tuple[int, int, int], previous: tuple[int, ...] | None, lowest: int
) -> tuple[int, int, int]:
    """Voice a triad's pitch classes within an octave from `lowest`, moving little."""
    low, middle, high = sorted(at_or_above(pitch_class, lowest) for pitch_class in chord)
    voicings = [(low, middle, high), (middle, high, low + 12)]
    if previous is None:
        return voicings[0]
    return min(voicings, key=lambda v: sum(abs(a - b) for a, b in zip(v, previous, strict=True)))
