"""What each player of the band writes, one bar at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from recipes.nano.compose.styles import DRUMS, BassHit, Beat, Hit
from recipes.nano.compose.theory import SIXTEENTHS, Key, at_or_above, voice_lead

HARMONY_LOW, HARMONY_HIGH = 52, 75  # E3 .. Eb5
MELODY_LOW, MELODY_HIGH = 64, 83  # E4 .. B5
BASS_LOW, BASS_HIGH = 33, 56  # A1 .. Ab3
LEVELS = {"X": 1.0, "x": 0.7, "o": 0.4}
DRUM_LENGTH = 2  # sixteenths

RHYTHMS = (
    (4, 4, 4, 4),
    (2, 2, 4, 4, 4),
    (4, 2, 2, 8),
    (6, 2, 4, 4),
    (2, 2, 2, 2, 8),
    (8, 4, 4),
    (6, 6, 4),
    (4, 4, 8),
    (2, 2, 4, 2, 2, 4),
)
STEPS = (-2, -1, -1, 0, 1, 1, 2)  # of a melody, in scale degrees


@dataclass(frozen=True)
class Note:
    """One note of a bar. `pitch` is a MIDI pitch; for drums it is an index into `DRUMS`."""

    instrument: str
    onset: int  # sixteenths from the start of the bar
    length: int  # sixteenths
    pitch: int
    gain: float


@dataclass(frozen=True)
class Motif:
    """A bar of melody before it meets a chord: (onset, length, scale degree above the tonic)."""

    tones: tuple[tuple[int, int, int], ...]


def motif(random: Random) -> Motif:
    """A rhythm and a line that walks by small steps, with now and then a rest."""
    degree, onset, tones = random.choice((0, 2, 4)), 0, []
    for length in random.choice(RHYTHMS):
        if onset == 0 or random.random() > 0.1:
            tones.append((onset, length, degree))
        degree = max(-2, min(8, degree + random.choice(STEPS)))
        onset += length
    return Motif(tuple(tones))


def melody_line(instrument: str, key: Key, chord: tuple[int, int], line: Motif) -> tuple[Note, ...]:
    """Play a motif over a bar whose halves have these chord degrees.

    On a half bar's first sixteenth the tone moves to the nearest tone of the chord.
    """
    notes = []
    for onset, length, tone in line.tones:
        degree = tone
        if onset % 8 == 0:
            root = chord[onset // 8]
            chord_tones = [root + step + octave for step in (0, 2, 4) for octave in (-7, 0)]
            degree = min(chord_tones, key=lambda candidate: abs(candidate - tone))
        base = at_or_above(key.tonic, MELODY_LOW)
        pitch = base + key.semitones(degree) - key.tonic
        while pitch < MELODY_LOW:
            pitch += 12
        while pitch > MELODY_HIGH:
            pitch -= 12
        notes.append(Note(instrument, onset, length, pitch, 1.0))
    return tuple(notes)


def comping(
    instrument: str, key: Key, chords: Sequence[tuple[int, int]], hits: Sequence[Hit]
) -> list[tuple[Note, ...]]:
    """Chords of every bar, voiced to move little; a hit ends where its chord ends."""
    previous: tuple[int, ...] | None = None
    bars = []
    for halves in chords:
        voicings = []
        for degree in halves:
            previous = voice_lead(key.triad(degree), previous, HARMONY_LOW)
            voicings.append(previous)
        notes = []
        for onset, length, voices in hits:
            until = 8 if onset < 8 and halves[0] != halves[1] else SIXTEENTHS
            gain = 0.5 if len(voices) > 1 else 0.7
            for voice in voices:
                pitch = voicings[onset // 8][voice]
                notes.append(Note(instrument, onset, min(length, until - onset), pitch, gain))
        bars.append(tuple(notes))
    return bars


def left_hand(
    instrument: str, key: Key, chords: Sequence[tuple[int, int]]
) -> list[tuple[Note, ...]]:
    """Open fifths under a solo."""
    hits: tuple[Hit, ...] = ((0, 8, (0, 2)), (8, 8, (0, 2)))
    return comping(instrument, key, chords, hits)


def bass_line(
    instrument: str, key: Key, chord: tuple[int, int], hits: Sequence[BassHit]
) -> tuple[Note, ...]:
    """Roots, fifths and octaves of the chords under each half of the bar."""
    notes = []
    for onset, length, step in hits:
        degree = chord[onset // 8]
        root = at_or_above(key.semitones(degree) % 12, BASS_LOW)
        pitch = root + key.semitones(degree + step) - key.semitones(degree)
        until = 8 if onset < 8 and chord[0] != chord[1] else SIXTEENTHS
        notes.append(Note(instrument, onset, min(length, until - onset), pitch, 0.9))
    return tuple(notes)


def drum_beat(kit: str, beat: Beat) -> tuple[Note, ...]:
    """One bar of a drawn beat."""
    return tuple(
        Note(kit, onset, DRUM_LENGTH, DRUMS.index(drum), LEVELS[mark])
        for drum, lane in beat.items()
        for onset, mark in enumerate(lane)
        if mark != "."
    )


def drum_fill(kit: str) -> tuple[Note, ...]:
    """A snare roll over the last beat of a bar."""
    snare = DRUMS.index("snare")
    return tuple(Note(kit, 12 + i, DRUM_LENGTH, snare, 0.4 + 0.15 * i) for i in range(4))
