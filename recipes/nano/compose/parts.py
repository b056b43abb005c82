"""What each player of the band writes, one bar at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from recipes.nano.compose.instruments import (
    BASS,
    BASS_LOW,
    DRUMS,
    HARMONY,
    HARMONY_LOW,
    KIT_SOUNDS,
    MELODY,
    MELODY_HIGH,
    MELODY_LOW,
    Sound,
)
from recipes.nano.compose.styles import ALL, BassHit, Beat, Hit
from recipes.nano.compose.theory import STEPS, Key, at_or_above, close_position

CALM_RHYTHMS = ((8, 8), (8, 4, 4), (4, 4, 8), (6, 6, 4), (6, 2, 8), (12, 4), (4, 4, 4, 4))
BUSY_RHYTHMS = (
    (2, 2, 4, 4, 4),
    (4, 2, 2, 8),
    (6, 2, 4, 4),
    (2, 2, 2, 2, 8),
    (2, 2, 4, 2, 2, 4),
    (2, 2, 2, 2, 2, 2, 4),
    (3, 3, 2, 4, 4),
    (3, 3, 4, 2, 4),
    (4, 1, 1, 2, 4, 4),
)
STEPS_OF_A_MELODY = (-2, -1, -1, 0, 1, 1, 2)  # in scale degrees
DRUM_LENGTH = 4
FILL = ("snare", "snare", "tom", "tom")
FILL_MARKS = "oxxX"


@dataclass(frozen=True)
class Event:
    """A sound in a bar; it ends at the latest when its section strikes again."""

    onset: int
    """Sixteenths from the start of the bar."""
    length: int
    """Sixteenths."""
    sound: Sound


@dataclass(frozen=True)
class Motif:
    """A bar of melody before it meets a chord: (onset, length, scale degree above the tonic)."""

    tones: tuple[tuple[int, int, int], ...]


def motif(random: Random, busy: float) -> Motif:
    """A rhythm and a line that walks by small steps, with now and then a rest."""
    degree, onset, tones = random.choice((0, 2, 4)), 0, []
    for length in random.choice(BUSY_RHYTHMS if random.random() < busy else CALM_RHYTHMS):
        if onset == 0 or random.random() > 0.1:
            tones.append((onset, length, degree))
        degree = max(-2, min(7, degree + random.choice(STEPS_OF_A_MELODY)))
        onset += length
    return Motif(tuple(tones))


def melody_line(
    instrument: str, key: Key, chords: tuple[int, int], line: Motif
) -> tuple[Event, ...]:
    """Play a motif over a bar whose halves have these chord degrees.

    On a half bar's first sixteenth the tone moves to the nearest tone of the chord.
    """
    events = []
    for onset, length, tone in line.tones:
        degree = tone
        if onset % 8 == 0:
            root = chords[onset // 8]
            chord_tones = [root + step + octave for step in (0, 2, 4) for octave in (-7, 0, 7)]
            degree = min(chord_tones, key=lambda candidate: abs(candidate - tone))
        pitch = at_or_above(key.tonic, MELODY_LOW) + key.semitones(degree) - key.tonic
        while pitch < MELODY_LOW:
            pitch += 12
        while pitch > MELODY_HIGH:
            pitch -= 12
        events.append(Event(onset, length, Sound(MELODY, instrument, (pitch,))))
    return tuple(events)


def comping(
    instrument: str, key: Key, chords: tuple[int, int], hits: Sequence[Hit]
) -> tuple[Event, ...]:
    """Chords, or their tones one by one, in a rhythm; a hit ends where its chord ends."""
    voicings = [close_position(key.triad(degree), HARMONY_LOW) for degree in chords]
    events = []
    for onset, length, voice in hits:
        pitches = voicings[onset // 8]
        played = pitches if voice == ALL else (pitches[voice],)
        length = min(length, _until(onset, chords) - onset)
        events.append(Event(onset, length, Sound(HARMONY, instrument, played)))
    return tuple(events)


def bass_line(
    instrument: str, key: Key, chords: tuple[int, int], hits: Sequence[BassHit]
) -> tuple[Event, ...]:
    """Roots, thirds, fifths and octaves of the chords under each half of the bar."""
    events = []
    for onset, length, step in hits:
        degree = chords[onset // 8]
        root = at_or_above(key.semitones(degree) % 12, BASS_LOW)
        pitch = root + key.semitones(degree + step) - key.semitones(degree)
        length = min(length, _until(onset, chords) - onset)
        events.append(Event(onset, length, Sound(BASS, instrument, (pitch,))))
    return tuple(events)


def drum_beat(kit: str, beat: Beat) -> tuple[Event, ...]:
    """One bar of a drawn beat."""
    events = []
    for onset in range(STEPS):
        hits = tuple(
            (drum, beat[drum][onset])
            for drum in KIT_SOUNDS
            if drum in beat and beat[drum][onset] != "."
        )
        if hits:
            events.append(Event(onset, DRUM_LENGTH, Sound(DRUMS, kit, (), hits)))
    return tuple(events)


def drum_fill(kit: str, beat: tuple[Event, ...]) -> tuple[Event, ...]:
    """The bar of a beat with a roll over its last beat."""
    roll = tuple(
        Event(12 + i, DRUM_LENGTH, Sound(DRUMS, kit, (), ((drum, mark),)))
        for i, (drum, mark) in enumerate(zip(FILL, FILL_MARKS, strict=True))
    )
    return (*(event for event in beat if event.onset < 12), *roll)


def last_bar(
    key: Key, melody: str, harmony: str | None, bass: str | None, drums: str | None
) -> tuple[Event, ...]:
    """The tonic, held by all."""
    half = STEPS // 2
    tonic = at_or_above(key.tonic, MELODY_LOW)
    events = [Event(0, half, Sound(MELODY, melody, (tonic,)))]
    if harmony:
        chord = close_position(key.triad(0), HARMONY_LOW)
        events.append(Event(0, half, Sound(HARMONY, harmony, chord)))
    if bass:
        low = at_or_above(key.tonic, BASS_LOW)
        events.append(Event(0, half, Sound(BASS, bass, (low,))))
    if drums:
        events.append(Event(0, DRUM_LENGTH, Sound(DRUMS, drums, (), (("kick", "X"),))))
    return tuple(events)


def _until(onset: int, chords: tuple[int, int]) -> int:
    """Where the chord that is played at `onset` ends."""
    return STEPS // 2 if onset < STEPS // 2 and chords[0] != chords[1] else STEPS
