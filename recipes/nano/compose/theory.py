"""Time grid, keys, modes and chords.

The grid is that of the codec's frames: 25 a second. An eighth note lasts a whole number of frames,
and so does every sixteenth: where the eighth is odd, the first sixteenth of a pair is one frame
longer, a light swing.
"""

from dataclasses import dataclass

SAMPLE_RATE = 32_000
FRAME = 1280  # samples per codec frame: every onset is a multiple of it
FRAME_RATE = SAMPLE_RATE // FRAME
STEPS = 16  # sixteenths of a bar; all music that the model learns is in 4/4

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class 0..11, C = 0) and a mode named in `MODES`."""

    tonic: int
    mode: str

    @property
    def name(self) -> str:
        """As musicians write it: `F# minor`."""
        return f"{PITCH_CLASSES[self.tonic]} {self.mode}"

    @property
    def bright(self) -> bool:
        """Whether the third above the tonic is a major one."""
        return 4 in MODES[self.mode]

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The seven pitch classes of the scale."""
        return frozenset((self.tonic + step) % 12 for step in MODES[self.mode])

    def semitones(self, degree: int) -> int:
        """Semitones above C of a scale degree; 0 is the tonic, 7 its octave, negatives go below."""
        octave, step = divmod(degree, 7)
        return self.tonic + 12 * octave + MODES[self.mode][step]

    def triad(self, degree: int) -> tuple[int, int, int]:
        """Pitch classes of the triad on a scale degree."""
        root, third, fifth = (self.semitones(degree + step) % 12 for step in (0, 2, 4))
        return root, third, fifth

    def stable(self, degree: int) -> bool:
        """Whether the triad on a scale degree is major or minor: its fifth is perfect."""
        return (self.semitones(degree + 4) - self.semitones(degree)) % 12 == 7


def at_or_above(pitch_class: int, lowest: int) -> int:
    """The lowest MIDI pitch of a pitch class that is not below `lowest`."""
    return lowest + (pitch_class - lowest) % 12


def close_position(pitch_classes: tuple[int, ...], lowest: int) -> tuple[int, ...]:
    """A chord's MIDI pitches, low to high, all in the octave from `lowest`.

    Chords that are voiced so, one after the other, move little: tones that two chords share stay
    where they are, and the others step to a neighbour.
    """
    return tuple(sorted(at_or_above(pitch_class, lowest) for pitch_class in pitch_classes))


def step_frame(step: int, frames_per_eighth: int) -> int:
    """The frame at which a sixteenth begins, counted from its bar."""
    eighth, second = divmod(step, 2)
    return eighth * frames_per_eighth + second * ((frames_per_eighth + 1) // 2)


def beats_per_minute(frames_per_eighth: int) -> float:
    """Tempo of the grid."""
    return 60.0 * FRAME_RATE / (2 * frames_per_eighth)
