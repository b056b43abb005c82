"""The styles as data: tempos, modes, progressions, instruments and patterns.

A pattern covers one bar of sixteen sixteenths. Drum lanes are drawn as text: `X` loud, `x` normal,
`o` soft, `.` silent. A comping hit is (onset, length, voice): a voice 0..2 of the triad, low to
high, or `ALL`. A bass hit is (onset, length, degree above the chord's root: 0 root, 2 third, 4
fifth, 7 octave).
"""

from dataclasses import dataclass

Hit = tuple[int, int, int]
BassHit = tuple[int, int, int]
Beat = dict[str, str]
Progression = tuple[int, ...]

ALL = -1
HALVES: tuple[Hit, ...] = ((0, 8, ALL), (8, 8, ALL))
QUARTERS: tuple[Hit, ...] = tuple((4 * i, 4, ALL) for i in range(4))
EIGHTHS: tuple[Hit, ...] = tuple((2 * i, 2, ALL) for i in range(8))
OFFBEATS: tuple[Hit, ...] = tuple((4 * i + 2, 2, ALL) for i in range(4))
SKANK: tuple[Hit, ...] = tuple((4 * i + 2, 1, ALL) for i in range(4))
CHARLESTON: tuple[Hit, ...] = ((0, 6, ALL), (6, 4, ALL))
BOSSA_COMP: tuple[Hit, ...] = ((0, 3, ALL), (6, 2, ALL), (10, 4, ALL), (14, 2, ALL))
SYNCOPATED: tuple[Hit, ...] = ((0, 2, ALL), (3, 2, ALL), (6, 2, ALL), (10, 2, ALL), (14, 2, ALL))
STABS: tuple[Hit, ...] = ((4, 2, ALL), (12, 2, ALL))
PUSHED: tuple[Hit, ...] = ((0, 6, ALL), (6, 6, ALL), (12, 4, ALL))
UP_AND_DOWN: tuple[Hit, ...] = tuple((2 * i, 2, (0, 1, 2, 1)[i % 4]) for i in range(8))
ALBERTI: tuple[Hit, ...] = tuple((2 * i, 2, (0, 2, 1, 2)[i % 4]) for i in range(8))
RISING: tuple[Hit, ...] = tuple((2 * i, 2, (0, 1, 2)[i % 3]) for i in range(8))
SLOW_RISE: tuple[Hit, ...] = ((0, 4, 0), (4, 4, 1), (8, 4, 2), (12, 4, 1))
RUNNING: tuple[Hit, ...] = tuple((i, 1, (0, 1, 2, 1)[i % 4]) for i in range(16))
STRUM: tuple[Hit, ...] = ((0, 4, ALL), (4, 2, ALL), (6, 4, ALL), (10, 2, ALL), (12, 4, ALL))
OOM_PAH: tuple[Hit, ...] = ((0, 4, 0), (4, 4, ALL), (8, 4, 0), (12, 4, ALL))

LONG_ROOTS: tuple[BassHit, ...] = ((0, 8, 0), (8, 8, 0))
ROOT_FIFTH: tuple[BassHit, ...] = ((0, 6, 0), (6, 2, 4), (8, 6, 4), (14, 2, 4))
TWO_FEEL: tuple[BassHit, ...] = ((0, 6, 0), (8, 6, 4))
WALKING: tuple[BassHit, ...] = ((0, 4, 0), (4, 4, 2), (8, 4, 4), (12, 4, 2))
EIGHTH_ROOTS: tuple[BassHit, ...] = tuple((2 * i, 2, 0) for i in range(8))
OCTAVES: tuple[BassHit, ...] = tuple((2 * i, 2, 7 * (i % 2)) for i in range(8))
OFFBEAT_ROOTS: tuple[BassHit, ...] = tuple((4 * i + 2, 2, 0) for i in range(4))
FUNKY: tuple[BassHit, ...] = ((0, 2, 0), (3, 1, 0), (6, 2, 7), (8, 2, 0), (11, 1, 4), (14, 2, 7))
DOTTED: tuple[BassHit, ...] = ((0, 3, 0), (3, 3, 0), (6, 2, 0), (8, 6, 4))
DUB: tuple[BassHit, ...] = ((0, 4, 0), (6, 2, 0), (8, 4, 4), (14, 2, 2))
DROPS: tuple[BassHit, ...] = ((0, 10, 0), (10, 4, 0))
ROLLING: tuple[BassHit, ...] = tuple((4 * i + j, 1, 0) for i in range(4) for j in (2, 3))

BACKBEAT: Beat = {
    "kick": "X.......X.......",
    "snare": "....X.......X...",
    "hat": "x.o.x.o.x.o.x.o.",
}
DRIVING: Beat = {
    "kick": "X.....x.X.......",
    "snare": "....X.......X...",
    "hat": "x.x.x.x.x.x.x.x.",
}
FOUR_ON_THE_FLOOR: Beat = {
    "kick": "X...X...X...X...",
    "clap": "....x.......x...",
    "open hat": "..o...o...o...o.",
}
DISCO: Beat = {
    "kick": "X...X...X...X...",
    "snare": "....x.......x...",
    "hat": "o.x.o.x.o.x.o.x.",
}
HOUSE: Beat = {
    "kick": "X...X...X...X...",
    "clap": "....X.......X...",
    "hat": "o.x.o.x.o.x.o.xo",
}
LAZY: Beat = {
    "kick": "X.........X.....",
    "snare": "....x.......x...",
    "hat": "o.o.o.o.o.o.o.o.",
}
BOOM_BAP: Beat = {
    "kick": "X.....X...X.....",
    "snare": "....X.......X...",
    "hat": "o.o.o.o.o.o.o.o.",
}
TRAP: Beat = {
    "kick": "X.....x...X.....",
    "clap": "........X.......",
    "hat": "o.o.o.o.o.oooooo",
}
BOSSA: Beat = {
    "kick": "x.....x.x.....x.",
    "rim": "x.....x.....x...",
    "shaker": "o.o.o.o.o.o.o.o.",
}
BREAK: Beat = {
    "kick": "X.....x...x.....",
    "snare": "....X.......X..o",
    "hat": "x.x.x.x.x.x.x.x.",
}
ONE_DROP: Beat = {
    "kick": "........X.......",
    "rim": "........x.......",
    "hat": "o.x.o.x.o.x.o.x.",
}
RIDE: Beat = {
    "kick": "x.......x.......",
    "hat": "....x.......x...",
    "shaker": "o...o..oo...o..o",
}
BRUSHES: Beat = {
    "kick": "x.......x.......",
    "rim": "....o.......o...",
    "shaker": "o.o.o.o.o.o.o.o.",
}
MARCH: Beat = {
    "kick": "X.......X.......",
    "snare": "x.oox.x.x.oox.x.",
}


@dataclass(frozen=True)
class Style:
    """What a style may choose from; see the module's text for the patterns."""

    name: str
    eighths: tuple[int, ...]
    """Frames of an eighth note: the tempos."""
    modes: tuple[str, ...]
    progressions: tuple[Progression, ...]
    """Scale degrees of four chords."""
    melody: tuple[str, ...]
    harmony: tuple[str, ...] = ()
    comping: tuple[tuple[Hit, ...], ...] = ()
    bass: tuple[str, ...] = ()
    bass_lines: tuple[tuple[BassHit, ...], ...] = ()
    drums: tuple[str, ...] = ()
    beats: tuple[Beat, ...] = ()
    busy: float = 0.5
    """How much of its melodies is short notes."""


POP = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 3), (0, 5, 2, 6), (0, 6, 5, 6))
BLUES = ((0, 3, 0, 4), (0, 0, 3, 4), (0, 6, 3, 0))
VAMP = ((0, 0, 3, 3), (0, 3, 0, 3), (0, 0, 6, 6), (0, 6, 0, 6))
TURNAROUND = ((0, 5, 1, 4), (1, 4, 0, 0), (2, 5, 1, 4), (0, 3, 6, 4), (3, 4, 0, 5))
CADENCES = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 0, 4), (0, 2, 3, 4))
DRONES = ((0, 0, 5, 5), (0, 1, 0, 1), (0, 0, 3, 3), (0, 4, 3, 3))

STYLES = (
    Style(
        "rock", (5, 6, 7), ("major", "minor", "mixolydian"), POP + BLUES,
        ("electric guitar", "saxophone"),
        ("piano", "acoustic guitar"), (EIGHTHS, PUSHED),
        ("electric bass",), (EIGHTH_ROOTS, DOTTED),
        ("acoustic drums",), (BACKBEAT, DRIVING),
    ),
    Style(
        "techno", (5, 6), ("minor", "phrygian"), VAMP,
        ("synth lead", "marimba"),
        ("synth pad", "electric piano"), (OFFBEATS, HALVES),
        ("synth bass",), (OFFBEAT_ROOTS, ROLLING),
        ("electronic drums",), (FOUR_ON_THE_FLOOR,), 0.7,
    ),
    Style(
        "house", (6,), ("minor", "dorian", "major"), POP + VAMP,
        ("synth lead", "vibraphone", "piano"),
        ("piano", "synth pad"), (SYNCOPATED, OFFBEATS),
        ("synth bass",), (OCTAVES, OFFBEAT_ROOTS),
        ("electronic drums",), (HOUSE,),
    ),
    Style(
        "synth-pop", (5, 6, 7), ("major", "minor"), POP,
        ("synth lead", "trumpet"),
        ("synth pad", "strings"), (HALVES, EIGHTHS),
        ("synth bass",), (OCTAVES, EIGHTH_ROOTS),
        ("electronic drums",), (DISCO,),
    ),
    Style(
        "hip hop", (8, 9), ("minor", "dorian", "phrygian"), VAMP + POP,
        ("synth lead", "flute", "vibraphone"),
        ("electric piano", "piano", "strings"), (STABS, HALVES, SLOW_RISE),
        ("synth bass", "electric bass"), (DROPS, DOTTED),
        ("electronic drums",), (BOOM_BAP, TRAP), 0.3,
    ),
    Style(
        "lo-fi", (9, 10, 11), ("major", "minor", "dorian"), TURNAROUND + POP,
        ("vibraphone", "piano", "saxophone"),
        ("electric piano", "acoustic guitar"), (HALVES, CHARLESTON),
        ("acoustic bass",), (LONG_ROOTS, DOTTED),
        ("acoustic drums",), (LAZY, BOOM_BAP), 0.3,
    ),
    Style(
        "funk", (7, 8), ("dorian", "minor", "mixolydian"), VAMP,
        ("trumpet", "saxophone", "electric guitar"),
        ("electric piano", "acoustic guitar"), (SYNCOPATED, STABS),
        ("electric bass",), (FUNKY,),
        ("acoustic drums",), (BREAK,), 0.8,
    ),
    Style(
        "bossa nova", (6, 7, 8), ("major", "minor"), TURNAROUND,
        ("flute", "vibraphone", "saxophone"),
        ("acoustic guitar", "piano"), (BOSSA_COMP,),
        ("acoustic bass",), (ROOT_FIFTH,),
        ("acoustic drums",), (BOSSA,),
    ),
    Style(
        "jazz", (4, 5, 7), ("major", "dorian", "mixolydian"), TURNAROUND + BLUES,
        ("saxophone", "trumpet", "vibraphone", "piano"),
        ("piano",), (CHARLESTON, STABS),
        ("acoustic bass",), (WALKING,),
        ("acoustic drums",), (RIDE,), 0.7,
    ),
    Style(
        "reggae", (9, 10), ("major", "minor", "mixolydian"), BLUES + VAMP + POP,
        ("trumpet", "saxophone", "electric guitar"),
        ("piano", "acoustic guitar"), (SKANK,),
        ("electric bass",), (DUB,),
        ("acoustic drums",), (ONE_DROP,),
    ),
    Style(
        "ballad", (9, 10, 11, 12), ("major", "minor"), POP + CADENCES,
        ("piano", "saxophone", "trumpet", "flute"),
        ("strings", "piano", "acoustic guitar"), (QUARTERS, UP_AND_DOWN),
        ("acoustic bass", "electric bass"), (LONG_ROOTS,),
        ("acoustic drums",), (BRUSHES,), 0.2,
    ),
    Style(
        "folk", (6, 7, 8), ("major", "mixolydian", "dorian"), CADENCES + BLUES,
        ("flute", "electric guitar", "piano"),
        ("acoustic guitar",), (STRUM, UP_AND_DOWN),
        ("acoustic bass",), (TWO_FEEL,),
    ),
    Style(
        "classical", (6, 7, 8, 9), ("major", "minor"), CADENCES,
        ("piano", "flute"),
        ("piano", "strings"), (ALBERTI, RISING, QUARTERS),
    ),
    Style(
        "march", (4, 5, 6), ("major", "minor"), CADENCES,
        ("trumpet", "flute"),
        ("strings", "piano"), (OOM_PAH,),
        ("acoustic bass",), (TWO_FEEL,),
        ("acoustic drums",), (MARCH,),
    ),
    Style(
        "ambient", (10, 11, 12), ("major", "lydian", "dorian"), DRONES,
        ("vibraphone", "flute", "marimba"),
        ("synth pad", "strings"), (QUARTERS, HALVES), busy=0.1,
    ),
    Style(
        "solo", (5, 6, 7, 8, 9, 10), ("major", "minor"), CADENCES + POP,
        ("piano", "electric guitar", "vibraphone", "marimba", "flute", "saxophone", "trumpet"),
    ),
)  # fmt: skip
