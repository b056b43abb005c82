"""Time grid, keys, modes and chords."""

from dataclasses import dataclass

SAMPLE_RATE = 32_000
FRAME = 640  # samples per codec frame: every onset is a multiple of it
FRAME_RATE = SAMPLE_RATE // FRAME
SIXTEENTHS = 16  # per bar; all music is in 4/4

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
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


def at_or_above(pitch_class: int, lowest: int) -> int:
    """The lowest MIDI pitch of a pitch class that is not below `lowest`."""
    return lowest + (pitch_class - lowest) % 12


def beats_per_minute(frames_per_sixteenth: int) -> float:
    """Tempo of a grid whose sixteenth note lasts a whole number of codec frames."""
    return 60.0 * FRAME_RATE / (4 * frames_per_sixteenth)


def voice_lead(
    chord: tuple[int, int, int], previous: tuple[int, ...] | None, lowest: int
) -> tuple[int, int, int]:
    """Voice a triad's pitch classes within an octave from `lowest`.

    Of the inversions that fit an octave and a fourth, the one that moves least from `previous`.
    """
    root = sorted(at_or_above(pitch_class, lowest) for pitch_class in chord)
    low, middle, high = root
    voicings = [(low, middle, high), (middle, high, low + 12)]
    if previous is None:
        return voicings[0]
    return min(voicings, key=lambda v: sum(abs(a - b) for a, b in zip(v, previous, strict=True)))
