"""A piece: loops of bars, written from a seed."""

from dataclasses import dataclass
from functools import cached_property
from random import Random

from recipes.nano.compose import parts
from recipes.nano.compose.parts import Note
from recipes.nano.compose.styles import MAJOR_PROGRESSIONS, MINOR_PROGRESSIONS, STYLES, Style
from recipes.nano.compose.theory import MODES, SIXTEENTHS, Key, beats_per_minute

SLOW_SIXTEENTH = 8  # frames: from here on chords change twice a bar and loops have two bars


@dataclass(frozen=True)
class Piece:
    """Music without an end: the loop, with every few passes a variation of it.

    A bar is a tuple of notes; no note rings past its bar, so a repeated bar sounds the same to
    the sample.
    """

    seed: int
    style: str
    key: Key
    frames_per_sixteenth: int
    melody: str
    harmony: str | None
    bass: str | None
    drums: str | None
    loop: tuple[tuple[Note, ...], ...]
    variation: tuple[tuple[Note, ...], ...]
    passes_per_variation: int

    @cached_property
    def bpm(self) -> float:
        """Quarter notes a minute."""
        return beats_per_minute(self.frames_per_sixteenth)

    @property
    def frames_per_bar(self) -> int:
        """Codec frames of one bar."""
        return SIXTEENTHS * self.frames_per_sixteenth

    @property
    def instruments(self) -> tuple[str, ...]:
        """Every instrument that sounds, once, melody first."""
        names = (self.melody, self.harmony, self.bass, self.drums)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def bar(self, index: int) -> tuple[Note, ...]:
        """The notes of the bar `index`, counted from the start of the piece."""
        passes, position = divmod(index, len(self.loop))
        varied = passes % self.passes_per_variation == self.passes_per_variation - 1
        return (self.variation if varied else self.loop)[position]


def compose(seed: int) -> Piece:
    """Write the piece of this seed; the same seed gives the same piece."""
    random = Random(seed)
    style = random.choice(STYLES)
    key = Key(random.randrange(12), random.choice(style.modes))
    frames = random.choice(style.frames_per_sixteenth)
    progressions = MINOR_PROGRESSIONS if 3 in MODES[key.mode] else MAJOR_PROGRESSIONS
    progression = random.choice(progressions)
    slow = frames >= SLOW_SIXTEENTH
    chords = (
        tuple((progression[i], progression[i + 1]) for i in (0, 2))
        if slow
        else tuple((degree, degree) for degree in progression)
    )
    melody = random.choice(style.melody)
    harmony = random.choice(style.harmony) if style.harmony else None
    bass = random.choice(style.bass) if style.bass and random.random() < 0.85 else None
    drums = random.choice(style.drums) if style.drums and random.random() < 0.9 else None
    loop, variation = _bars(random, style, key, chords, (melody, harmony, bass, drums))
    return Piece(
        seed, style.name, key, frames, melody, harmony, bass, drums, loop, variation,
        passes_per_variation=random.choice((2, 3)),
    )  # fmt: skip


def _bars(
    random: Random,
    style: Style,
    key: Key,
    chords: tuple[tuple[int, int], ...],
    players: tuple[str, str | None, str | None, str | None],
) -> tuple[tuple[tuple[Note, ...], ...], tuple[tuple[Note, ...], ...]]:
    melody, harmony, bass, drums = players
    accompaniment: list[list[Note]] = [[] for _ in chords]
    if harmony:
        for bar, notes in zip(
            accompaniment, parts.comping(harmony, key, chords, random.choice(style.comping)),
            strict=True,
        ):  # fmt: skip
            bar += notes
    elif style.name == "solo":
        for bar, notes in zip(accompaniment, parts.left_hand(melody, key, chords), strict=True):
            bar += notes
    if bass:
        line = random.choice(style.bass_lines)
        for bar, chord in zip(accompaniment, chords, strict=True):
            bar += parts.bass_line(bass, key, chord, line)
    if drums:
        beat = random.choice(style.beats)
        for bar in accompaniment:
            bar += parts.drum_beat(drums, beat)

    theme, answer = parts.motif(random), parts.motif(random)
    last = len(chords) - 1
    loop, variation = [], []
    for index, (bar, chord) in enumerate(zip(accompaniment, chords, strict=True)):
        ending = answer if index == last else theme
        varied = answer if index >= len(chords) // 2 else theme
        loop.append((*bar, *parts.melody_line(melody, key, chord, ending)))
        fill = parts.drum_fill(drums) if drums and index == last else ()
        variation.append((*bar, *fill, *parts.melody_line(melody, key, chord, varied)))
    return tuple(loop), tuple(variation)
