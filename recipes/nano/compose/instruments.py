"""The band: four sections, what plays in each, and every sound that they can make.

A section plays one sound at a time, and a codebook of the codec belongs to each. A sound is what is
struck at once: a melody's tone, a chord, a set of drums. Its frames are numbered from the attack
on; the last few repeat for as long as it is held. A frame of a sound is a code.
"""

from dataclasses import dataclass
from functools import cache, cached_property

from recipes.nano.compose.theory import close_position

DRUMS, BASS, HARMONY, MELODY = range(4)
SECTIONS = ("drums", "bass", "harmony", "melody")

KIT_SOUNDS = ("kick", "snare", "clap", "rim", "hat", "open hat", "shaker", "tom")
LEVELS = {"X": 1.0, "x": 0.7, "o": 0.4}
DRUM_FRAMES = 8
HARMONY_LOW = 57  # A3; chords lie in the octave from here
MELODY_LOW, MELODY_HIGH = 64, 81  # E4 .. A5
BASS_LOW, BASS_HIGH = 33, 56  # A1 .. G#3


@dataclass(frozen=True)
class Instrument:
    """What plays in a section."""

    name: str
    section: int
    program: int
    """General MIDI, from 0; the kit's for drums."""
    held: bool
    """It sounds as long as it is played, like a flute; otherwise it dies away, like a piano."""

    @property
    def frames(self) -> int:
        """Different frames of each of its sounds."""
        if self.section == DRUMS:
            return DRUM_FRAMES
        if self.section == HARMONY:  # which has the most sounds
            return 8 if self.held else 13
        return 9 if self.held else 15

    @property
    def pitches(self) -> range:
        """What it can play."""
        return {
            DRUMS: range(0),
            BASS: range(BASS_LOW, BASS_HIGH + 1),
            HARMONY: range(HARMONY_LOW, HARMONY_LOW + 12),
            MELODY: range(MELODY_LOW, MELODY_HIGH + 1),
        }[self.section]


BAND = (
    Instrument("acoustic drums", DRUMS, 0, held=False),
    Instrument("electronic drums", DRUMS, 25, held=False),
    Instrument("acoustic bass", BASS, 32, held=False),
    Instrument("electric bass", BASS, 33, held=False),
    Instrument("synth bass", BASS, 38, held=False),
    Instrument("piano", HARMONY, 0, held=False),
    Instrument("electric piano", HARMONY, 4, held=False),
    Instrument("acoustic guitar", HARMONY, 25, held=False),
    Instrument("strings", HARMONY, 48, held=True),
    Instrument("synth pad", HARMONY, 89, held=True),
    Instrument("piano", MELODY, 0, held=False),
    Instrument("vibraphone", MELODY, 11, held=False),
    Instrument("electric guitar", MELODY, 27, held=False),
    Instrument("marimba", MELODY, 12, held=False),
    Instrument("flute", MELODY, 73, held=True),
    Instrument("saxophone", MELODY, 65, held=True),
    Instrument("trumpet", MELODY, 56, held=True),
    Instrument("synth lead", MELODY, 81, held=True),
)


@cache
def instrument(section: int, name: str) -> Instrument:
    """The instrument of this name in a section.

    Raises:
        KeyError: there is none.
    """
    for candidate in BAND:
        if (candidate.section, candidate.name) == (section, name):
            return candidate
    raise KeyError(f"no {name} in {SECTIONS[section]}; there are {[i.name for i in BAND]}")


@dataclass(frozen=True)
class Sound:
    """What one player strikes at once."""

    section: int
    instrument: str
    pitches: tuple[int, ...] = ()
    """MIDI pitches, low to high; none for drums."""
    hits: tuple[tuple[str, str], ...] = ()
    """(drum, mark of its level); none for the others."""

    @cached_property
    def player(self) -> Instrument:
        """Who plays it."""
        return instrument(self.section, self.instrument)


def chord_shapes() -> tuple[tuple[int, ...], ...]:
    """The pitches of every major and minor triad, as they are voiced."""
    return tuple(
        close_position(tuple((root + step) % 12 for step in (0, third, 7)), HARMONY_LOW)
        for root in range(12)
        for third in (3, 4)
    )
