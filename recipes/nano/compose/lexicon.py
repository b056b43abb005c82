"""What people's words for music mean in terms of what the composer can play.

The words are in `phrases/*.txt`. A line is `phrase, phrase, ... = trait, trait, ...`, and a trait
is a style, an instrument (also `drums` and `bass`, whichever), `no` with an instrument, or a word
of `TEMPOS` or `CHARACTERS`. A phrase fits pieces in one of its styles, with one of its instruments,
and with all the rest. In several lines a phrase has several senses.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

from recipes.nano.compose import words
from recipes.nano.compose.instruments import BAND, SECTIONS
from recipes.nano.compose.piece import Piece
from recipes.nano.compose.styles import STYLES

Kind = Literal["genres", "instruments", "moods", "scenes", "neutral"]
KINDS: tuple[Kind, ...] = ("genres", "instruments", "moods", "scenes", "neutral")
FOLDER = Path(__file__).with_name("phrases")
TEMPOS = {  # least and most beats a minute
    "slow": (0, 88),
    "relaxed": (0, 100),
    "medium": (90, 112),
    "lively": (100, 999),
    "fast": (118, 999),
}
PLAIN = 0.2  # share of phrases drawn that are the first of their meaning
SELDOM = 0.2  # how much rarer phrases are that say who does not play
CHARACTERS = ("bright", "dark", "busy", "calm")
GROUPS = {
    section: tuple(player.name for player in BAND if SECTIONS[player.section] == section)
    for section in ("drums", "bass")
}
NAMES = {player.name: (player.name,) for player in BAND} | GROUPS


@dataclass(frozen=True)
class Meaning:
    """What a piece has to be like for a phrase to fit; what is empty or None leaves it open."""

    kind: Kind
    styles: tuple[str, ...] = ()
    players: tuple[str, ...] = ()
    """One of these plays."""
    absent: tuple[str, ...] = ()
    """None of these plays."""
    tempo: tuple[int, int] | None = None
    bright: bool | None = None
    busy: bool | None = None

    def fits(self, piece: Piece) -> bool:
        """Whether a piece is so."""
        playing = set(piece.instruments)
        return (
            (not self.styles or piece.style in self.styles)
            and (not self.players or not playing.isdisjoint(self.players))
            and playing.isdisjoint(self.absent)
            and (self.tempo is None or self.tempo[0] <= piece.bpm <= self.tempo[1])
            and (self.bright is None or piece.key.bright == self.bright)
            and (self.busy is None or piece.busy == self.busy)
        )


def read_meaning(kind: Kind, traits: list[str]) -> Meaning:
    """The meaning that these traits say.

    Raises:
        ValueError: there is no such trait.
    """
    styles = tuple(trait for trait in traits if trait in {style.name for style in STYLES})
    rest = [trait for trait in traits if trait not in styles]
    absent = [trait.removeprefix("no ") for trait in rest if trait.startswith("no ")]
    players = [trait for trait in rest if trait in NAMES]
    for trait in rest:
        known = trait.removeprefix("no ") in NAMES or trait in (*TEMPOS, *CHARACTERS)
        if not known:
            raise ValueError(f"{trait!r} is no style, instrument, tempo or character")
    return Meaning(
        kind,
        styles,
        tuple(name for player in players for name in NAMES[player]),
        tuple(name for player in absent for name in NAMES[player]),
        next((TEMPOS[trait] for trait in rest if trait in TEMPOS), None),
        True if "bright" in rest else False if "dark" in rest else None,
        True if "busy" in rest else False if "calm" in rest else None,
    )


@cache
def lexicon() -> dict[str, tuple[Meaning, ...]]:
    """The senses of every phrase, those of `words` among them."""
    senses: dict[str, list[Meaning]] = {}
    for phrase, meaning in (*_read_files(), *_synonyms()):
        known = senses.setdefault(phrase, [])
        if meaning not in known:
            known.append(meaning)
    return {phrase: tuple(meanings) for phrase, meanings in senses.items()}


def find_phrases(text: str) -> list[str]:
    """The phrases of the lexicon in a text, from left to right, the longest where several begin."""
    spoken = re.findall(r"[\w#&'-]+", text.lower())
    found, start = [], 0
    while start < len(spoken):
        for length in range(min(_longest(), len(spoken) - start), 0, -1):
            phrase = " ".join(spoken[start : start + length])
            if phrase in lexicon():
                found.append(phrase)
                start += length
                break
        else:
            start += 1
    return found


def fits(phrase: str, piece: Piece) -> bool:
    """Whether a phrase of the lexicon fits a piece in one of its senses."""
    return any(meaning.fits(piece) for meaning in lexicon()[phrase])


@cache
def meanings_of(kind: Kind) -> dict[Meaning, tuple[str, ...]]:
    """All meanings of a kind, with the phrases that have them."""
    grouped: dict[Meaning, list[str]] = {}
    for phrase, meanings in lexicon().items():
        for meaning in meanings:
            if meaning.kind == kind:
                grouped.setdefault(meaning, []).append(phrase)
    return {meaning: tuple(phrases) for meaning, phrases in grouped.items()}


def draw_phrases(kind: Kind, piece: Piece, count: int, random: Random) -> list[str]:
    """Up to `count` phrases of a kind that fit a piece, of different meanings."""
    fitting = [item for item in meanings_of(kind).items() if item[0].fits(piece)]
    drawn: dict[Meaning, str] = {}
    weights = [
        len(phrases) ** 0.5 * (SELDOM if meaning.absent else 1) for meaning, phrases in fitting
    ]
    for meaning, phrases in random.choices(fitting, weights, k=count) if fitting else ():
        first = random.random() < PLAIN
        drawn[meaning] = phrases[0] if first else random.choice(phrases)
    return list(dict.fromkeys(drawn.values()))


@cache
def _longest() -> int:
    return max(phrase.count(" ") for phrase in lexicon()) + 1


def _read_files() -> Iterator[tuple[str, Meaning]]:
    for kind in KINDS:
        for line in (FOLDER / f"{kind}.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                phrases, _, traits = line.partition(" = ")
                meaning = read_meaning(kind, traits.split(", ") if traits else [])
                yield from ((phrase, meaning) for phrase in phrases.split(", "))


def _synonyms() -> Iterator[tuple[str, Meaning]]:
    for name, phrases in words.STYLES.items():
        yield from ((phrase, Meaning("genres", (name,))) for phrase in (name, *phrases))
    for name, phrases in words.INSTRUMENTS.items():
        meaning = Meaning("instruments", players=(name,))
        yield from ((phrase, meaning) for phrase in (name, *phrases))
