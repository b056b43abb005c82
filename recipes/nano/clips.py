"""Clips to train on: excerpts of pieces, from seeds. None is ever stored; each is seen once."""

from dataclasses import dataclass
from random import Random

from recipes.nano.compose import Piece, caption, compose
from recipes.nano.score import Excerpt

CLIP_FRAMES = 375  # 15 s
HELD_OUT_FIRST_SEED = 2_000_000_000  # no stage trains on seeds from here on
FROM_THE_START = 0.65  # share of clips that begin where the piece does
FROM_A_BAR = 0.25  # that begin with some other bar; the rest begin anywhere
ENDING = 0.05  # that come to an end
LATEST_BAR = 16


@dataclass(frozen=True)
class Clip:
    """An excerpt, with what a caption has to know of it."""

    excerpt: Excerpt
    intro: bool
    ending: bool

    @property
    def piece(self) -> Piece:
        """What it is an excerpt of."""
        return self.excerpt.piece

    def caption(self, random: Random) -> str:
        """A caption, worded by `random`."""
        return caption(self.piece, random, self.intro, self.ending)


def training_clip(seed: int, frames: int) -> Clip:
    """The clip of a seed: mostly the beginning of its piece."""
    piece, random = compose(seed), Random(f"clip {seed}")
    bar, fate = piece.frames_per_bar, random.random()
    start = 0
    if fate > FROM_THE_START:
        start = random.randrange(LATEST_BAR) * bar
    if fate > FROM_THE_START + FROM_A_BAR:
        start += random.randrange(bar)
    last = None
    if random.random() < ENDING:
        first_whole, end = -(-start // bar), (start + frames) // bar
        last = random.randrange(first_whole, max(first_whole, end) + 1)
    excerpt = Excerpt(piece, start, frames, last)
    return Clip(excerpt, start == 0 and bool(piece.intro), last is not None)


def held_out_clip(number: int, frames: int) -> Clip:
    """The beginning of a piece that no stage trains on; without introduction or ending."""
    seed = HELD_OUT_FIRST_SEED + number
    piece = compose(seed)
    return Clip(Excerpt(piece, len(piece.intro) * piece.frames_per_bar, frames), False, False)
