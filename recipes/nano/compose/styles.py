"""The styles as data: tempos, modes, progressions, instruments and patterns.

A pattern covers one bar of sixteen sixteenths. Drum lanes are drawn as text: `X` loud, `x` normal,
`o` soft, `.` silent. A comping hit is (onset, length, voices) with voices 0..2 of the triad, low to
high; a bass hit is (onset, length, degree above the chord's root: 0 root, 4 fifth, 7 octave).
"""

from dataclasses import dataclass

MELODIC = (
    "piano",
    "electric piano",
    "vibraphone",
    "marimba",
    "acoustic guitar",
    "electric guitar",
    "strings",
    "saxophone",
    "flute",
    "trumpet",
    "synth lead",
    "synth pad",
)
BASSES = ("acoustic bass", "electric bass", "synth bass")
KITS = ("acoustic drums", "electronic drums")
DRUMS = ("kick", "snare", "clap", "rim", "hat", "open hat", "shaker")

Hit = tuple[int, int, tuple[int, ...]]
BassHit = tuple[int, int, int]
Beat = dict[str, str]

ALL = (0, 1, 2)
SUSTAINED: tuple[Hit, ...] = ((0, 8, ALL), (8, 8, ALL))
EIGHTHS: tuple[Hit, ...] = tuple((2 * i, 2, ALL) for i in range(8))
OFFBEATS: tuple[Hit, ...] = tuple((4 * i + 2, 2, ALL) for i in range(4))
CHARLESTON: tuple[Hit, ...] = ((0, 3, ALL), (6, 2, ALL), (8, 3, ALL), (14, 2, ALL))
SYNCOPATED: tuple[Hit, ...] = ((0, 2, ALL), (3, 2, ALL), (6, 4, ALL), (11, 2, ALL), (14, 2, ALL))
ARPEGGIO: tuple[Hit, ...] = tuple((2 * i, 2, ((0, 1, 2, 1)[i % 4],)) for i in range(8))
ALBERTI: tuple[Hit, ...] = tuple((2 * i, 2, ((0, 2, 1, 2)[i % 4],)) for i in range(8))
STRUM: tuple[Hit, ...] = ((0, 4, ALL), (4, 2, ALL), (6, 2, ALL), (8, 4, ALL), (12, 4, ALL))

LONG_ROOTS: tuple[BassHit, ...] = ((0, 8, 0), (8, 8, 0))
ROOT_FIFTH: tuple[BassHit, ...] = ((0, 6, 0), (6, 2, 4), (8, 6, 0), (14, 2, 4))
EIGHTH_ROOTS: tuple[BassHit, ...] = tuple((2 * i, 2, 0) for i in range(8))
OCTAVES: tuple[BassHit, ...] = tuple((2 * i, 2, 7 * (i % 2)) for i in range(8))
OFFBEAT_ROOTS: tuple[BassHit, ...] = tuple((4 * i + 2, 2, 0) for i in range(4))
FUNKY: tuple[BassHit, ...] = ((0, 2, 0), (3, 1, 0), (6, 2, 7), (8, 2, 0), (11, 1, 4), (14, 2, 7))

BACKBEAT: Beat = {
    "kick": "X.......X.......",
    "snare": "....X.......X...",
    "hat": "x.o.x.o.x.o.x.o.",
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
LAZY: Beat = {
    "kick": "X.........X.....",
    "snare": "....x.......x...",
    "hat": "o.o.o.o.o.o.o.o.",
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


@dataclass(frozen=True)
class Style:
    """What a style may choose from; see the module's text for the patterns."""

    name: str
    frames_per_sixteenth: tuple[int, ...]
    modes: tuple[str, ...]
    melody: tuple[str, ...]
    harmony: tuple[str, ...]
    comping: tuple[tuple[Hit, ...], ...]
    bass: tuple[str, ...] = ()
    bass_lines: tuple[tuple[BassHit, ...], ...] = ()
    drums: tuple[str, ...] = ()
    beats: tuple[Beat, ...] = ()


# Scale degrees of four chords, by the third of the mode.
MAJOR_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (5, 3, 0, 4), (0, 3, 4, 3))
MINOR_PROGRESSIONS = ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 5, 3, 4), (0, 2, 6, 3))

STYLES = (
    Style(
        "rock",
        (5, 6, 7),
        ("major", "minor", "mixolydian"),
        ("electric guitar", "saxophone"),
        ("electric guitar", "piano"),
        (EIGHTHS,),
        ("electric bass",),
        (EIGHTH_ROOTS,),
        ("acoustic drums",),
        (BACKBEAT,),
    ),
    Style(
        "techno",
        (5, 6),
        ("minor",),
        ("synth lead", "vibraphone"),
        ("synth pad", "electric piano"),
        (SUSTAINED, OFFBEATS),
        ("synth bass",),
        (OFFBEAT_ROOTS, EIGHTH_ROOTS),
        ("electronic drums",),
        (FOUR_ON_THE_FLOOR,),
    ),
    Style(
        "synth-pop",
        (6, 7),
        ("major", "minor"),
        ("synth lead", "trumpet"),
        ("synth pad", "strings"),
        (SUSTAINED,),
        ("synth bass",),
        (OCTAVES,),
        ("electronic drums",),
        (DISCO,),
    ),
    Style(
        "lo-fi",
        (8, 9, 10),
        ("major", "minor"),
        ("vibraphone", "electric piano", "saxophone"),
        ("electric piano", "acoustic guitar"),
        (SUSTAINED,),
        ("acoustic bass",),
        (LONG_ROOTS,),
        ("acoustic drums",),
        (LAZY,),
    ),
    Style(
        "funk",
        (7, 8),
        ("dorian", "minor"),
        ("trumpet", "saxophone"),
        ("electric guitar", "electric piano"),
        (SYNCOPATED,),
        ("electric bass",),
        (FUNKY,),
        ("acoustic drums",),
        (BREAK,),
    ),
    Style(
        "bossa nova",
        (6, 7, 8),
        ("major", "minor"),
        ("flute", "vibraphone"),
        ("acoustic guitar",),
        (CHARLESTON,),
        ("acoustic bass",),
        (ROOT_FIFTH,),
        ("acoustic drums",),
        (BOSSA,),
    ),
    Style(
        "ballad",
        (8, 9, 10),
        ("major", "minor"),
        ("piano", "saxophone", "trumpet"),
        ("strings", "piano"),
        (SUSTAINED, ARPEGGIO),
        ("acoustic bass",),
        (LONG_ROOTS,),
    ),
    Style(
        "folk",
        (6, 7, 8),
        ("major", "mixolydian", "dorian"),
        ("flute", "acoustic guitar"),
        ("acoustic guitar",),
        (STRUM, ARPEGGIO),
        ("acoustic bass",),
        (ROOT_FIFTH,),
    ),
    Style(
        "classical",
        (6, 7, 8, 9),
        ("major", "minor"),
        ("piano", "flute"),
        ("piano", "strings"),
        (ALBERTI,),
    ),
    Style(
        "ambient",
        (9, 10),
        ("major", "minor", "dorian"),
        ("vibraphone", "marimba", "flute"),
        ("synth pad", "strings"),
        (SUSTAINED,),
    ),
    Style(
        "solo",
        (5, 6, 7, 8, 9, 10),
        ("major", "minor"),
        ("piano", "acoustic guitar", "vibraphone", "marimba", "electric piano"),
        (),
        (),
    ),
)
