"""A piece: loops of bars, written from a seed."""

from dataclasses import dataclass
from functools import cached_property
from random import Random

from recipes.nano.compose import parts
from recipes.nano.compose.instruments import BAND, HARMONY
from recipes.nano.compose.parts import Event, Motif
from recipes.nano.compose.styles import (
    ALBERTI,
    OOM_PAH,
    SLOW_RISE,
    STYLES,
    UP_AND_DOWN,
    Style,
)
from recipes.nano.compose.theory import STEPS, Key, beats_per_minute, step_frame

SLOW_EIGHTH = 8  # frames: from here on chords change twice a bar, and loops have two bars
SOLO_PATTERNS = (ALBERTI, OOM_PAH, SLOW_RISE, UP_AND_DOWN)
Bar = tuple[Event, ...]
Chords = tuple[tuple[int, ...], tuple[int, ...]]
"""Pitch classes of the chords under the two halves of a bar."""


@dataclass(frozen=True)
class Piece:
    """Music with a beginning and, where `bars` is given, an end: intro, loop, variation, last bar.

    The loop comes again and again; every few passes a variation of it, with a drum fill, comes
    instead.
    """

    seed: int
    style: str
    key: Key
    frames_per_eighth: int
    melody: str
    harmony: str | None
    bass: str | None
    drums: str | None
    intro: tuple[Bar, ...]
    """The first pass, by a part of the band; empty where all begin at once."""
    loop: tuple[Bar, ...]
    variation: tuple[Bar, ...]
    ending: Bar
    passes_per_variation: int
    busy: bool
    """Whether the melody moves in short notes."""
    chords: tuple[Chords, ...]
    """Of each bar of the loop."""

    @cached_property
    def bpm(self) -> float:
        """Quarter notes a minute."""
        return beats_per_minute(self.frames_per_eighth)

    @property
    def frames_per_bar(self) -> int:
        """Codec frames of one bar."""
        return step_frame(STEPS, self.frames_per_eighth)

    @property
    def instruments(self) -> tuple[str, ...]:
        """Every instrument that sounds, once, melody first."""
        names = (self.melody, self.harmony, self.bass, self.drums)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def bar(self, index: int) -> Bar:
        """The bar `index`, counted from the start of the piece, as if it had no end."""
        if index < len(self.intro):
            return self.intro[index]
        passes, position = divmod(index - len(self.intro), len(self.loop))
        varied = passes % self.passes_per_variation == self.passes_per_variation - 1
        return (self.variation if varied else self.loop)[position]

    def chords_of_bar(self, index: int) -> Chords:
        """The chords of the bar `index`, counted from the start of the piece."""
        return self.chords[(index - len(self.intro)) % len(self.chords)]


def compose(seed: int) -> Piece:
    """Write the piece of this seed; the same seed gives the same piece."""
    random = Random(seed)
    style = random.choice(STYLES)
    key = Key(random.randrange(12), random.choice(style.modes))
    eighth = random.choice(style.eighths)
    progression = random.choice([p for p in style.progressions if all(map(key.stable, p))])
    chords = (
        tuple((progression[i], progression[i + 1]) for i in (0, 2))
        if eighth >= SLOW_EIGHTH
        else tuple((degree, degree) for degree in progression)
    )
    melody = random.choice(style.melody)
    harmony = random.choice(style.harmony) if style.harmony else _left_hand(melody)
    bass = random.choice(style.bass) if style.bass and random.random() < 0.85 else None
    drums = random.choice(style.drums) if style.drums and random.random() < 0.85 else None
    writer = _Writer(random, style, key, chords, (melody, harmony, bass, drums))
    return Piece(
        seed, style.name, key, eighth, melody, harmony, bass, drums,
        intro=writer.intro() if harmony and random.random() < 0.15 else (),
        loop=writer.loop(),
        variation=writer.variation(),
        ending=parts.last_bar(key, melody, harmony, bass, drums),
        passes_per_variation=random.choice((2, 3)),
        busy=writer.busy,
        chords=tuple((key.triad(first), key.triad(second)) for first, second in chords),
    )  # fmt: skip


def _left_hand(melody: str) -> str | None:
    """Who accompanies a soloist: the same instrument, where it plays chords."""
    able = any(player.name == melody for player in BAND if player.section == HARMONY)
    return melody if able else None


class _Writer:
    """Writes all bars of a piece from one set of choices."""

    def __init__(
        self,
        random: Random,
        style: Style,
        key: Key,
        chords: tuple[tuple[int, int], ...],
        players: tuple[str, str | None, str | None, str | None],
    ) -> None:
        self._key, self._chords = key, chords
        self._melody, harmony, bass, self._drums = players
        comping = random.choice(style.comping or SOLO_PATTERNS)
        line = random.choice(style.bass_lines) if bass else ()
        self._beat = parts.drum_beat(self._drums, random.choice(style.beats)) if self._drums else ()
        self._accompaniment = []
        for halves in chords:
            played = parts.comping(harmony, key, halves, comping) if harmony else ()
            low = parts.bass_line(bass, key, halves, line) if bass else ()
            self._accompaniment.append((*low, *played))
        self.busy = random.random() < style.busy
        share = 1.0 if self.busy else 0.0
        self._theme, self._answer = parts.motif(random, share), parts.motif(random, share)
        self._second = parts.motif(random, share)

    def intro(self) -> tuple[Bar, ...]:
        """The loop without melody and drums."""
        return tuple(self._accompaniment)

    def loop(self) -> tuple[Bar, ...]:
        """Theme, theme, theme, answer: a motif follows the chords."""
        last = len(self._chords) - 1
        return tuple(
            self._bar(i, self._answer if i == last else self._theme, self._beat)
            for i in range(len(self._chords))
        )

    def variation(self) -> tuple[Bar, ...]:
        """A second theme, then the answer; the drums end with a fill."""
        last = len(self._chords) - 1
        fill = parts.drum_fill(self._drums, self._beat) if self._drums else ()
        return tuple(
            self._bar(
                i,
                self._second if i < (last + 1) / 2 else self._answer,
                fill if i == last else self._beat,
            )
            for i in range(len(self._chords))
        )

    def _bar(self, index: int, line: Motif, beat: Bar) -> Bar:
        melody = parts.melody_line(self._melody, self._key, self._chords[index], line)
        return (*beat, *self._accompaniment[index], *melody)
