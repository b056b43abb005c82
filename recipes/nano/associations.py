"""Texts of any kind with what music they call for: phrases, prompts, and plain English words.

A phrase of the lexicon calls for the pieces that fit it, so what is likely of those is counted over
a pool of pieces; a prompt calls for pieces that fit most of its phrases. A text without any such
phrase calls for what the phrases do to which the teacher finds it similar, and if it is similar to
none, for anything.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from recipes.nano import teacher
from recipes.nano.clips import training_clip
from recipes.nano.compose.captions import prompt
from recipes.nano.compose.lexicon import find_phrases, lexicon
from recipes.nano.compose.piece import Piece
from recipes.nano.compose.prompts import decorate, write_prompt
from recipes.nano.facts import ANSWERS, facts, one_hot
from recipes.nano.runs import load_checkpoint, save_checkpoint

POOL_SEED = 850_000_000
FRAMES = 250
MISFIT = 0.02  # how much less likely a piece is for every phrase of a text that does not fit it
LEAST_SIMILAR, MOST_SIMILAR = 0.3, 0.6  # cosines: nothing in common, as good as the same
NEIGHBORS, SHARPNESS = 12, 16.0


@dataclass(frozen=True)
class AssociationSettings:
    """How many texts there are."""

    pool: int = 2000
    prompts: int = 3000
    phrases: int = 10_000
    """Of the lexicon, at most."""
    words: int = 6000
    """Common English words, where the teacher is installed."""
    pairs: int = 1500
    """Of those, two or three in a text."""


@dataclass(frozen=True)
class Associations:
    """Texts, and what music they call for."""

    texts: list[str]
    shares: Tensor
    """(N, answers): how likely every answer to every fact is."""
    vectors: Tensor | None
    """(N, 384) where the teacher places the texts; None without it."""
    prompts: int
    """The first texts are prompts, so many; then come single phrases and words."""

    @cached_property
    def _rest(self) -> range:
        return range(self.prompts, len(self.texts))

    def draw(self, prompts: int, strange: int, random: Random) -> tuple[list[int], list[int]]:
        """Numbers of some prompts, and of some phrases and words."""
        return (
            random.choices(range(self.prompts), k=prompts),
            random.choices(self._rest, k=strange),
        )

    def draw_answers(self, index: int, random: Random) -> list[int]:
        """An answer to every fact, as likely as it is for the text of this number."""
        return [
            random.choices(range(len(part)), part.tolist())[0]
            for part in self.shares[index].split(ANSWERS)
        ]


def load_associations(folder: Path, settings: AssociationSettings) -> Associations:
    """The associations in `folder/associations.pt`, which are made first where they are not."""
    path, installed = folder / "associations.pt", teacher.find_teacher()
    state = load_checkpoint(path)
    wanted = {"settings": asdict(settings), "teacher": installed is not None}
    if state is None or any(state[name] != value for name, value in wanted.items()):
        made = make_associations(settings, installed)
        state = {**wanted, **vars(made)}
        save_checkpoint(path, state)
    return Associations(*(state[name] for name in ("texts", "shares", "vectors", "prompts")))


def make_associations(settings: AssociationSettings, installed: Path | None) -> Associations:
    """Write the texts, and find what they call for.

    Args:
        settings: how many.
        installed: the teacher's folder.
    """
    random = Random(0)
    pool = Pool(settings.pool)
    phrases = random.sample(list(lexicon()), min(settings.phrases, len(lexicon())))
    texts = [
        _mixed_prompt(random) if i % 6 == 0 else pool.write(i) for i in range(settings.prompts)
    ]
    prompts = len(texts)
    texts += phrases
    if installed is None:
        return Associations(
            texts, torch.stack([pool.expect(text) for text in texts]), None, prompts
        )
    common = teacher.common_words(installed, settings.words)
    texts += common
    texts += [
        " ".join(random.choices(common, k=random.choice((2, 3)))) for _ in range(settings.pairs)
    ]
    vectors = teacher.embed(installed, texts)
    anchors = vectors[prompts : prompts + len(phrases)]
    called_for = torch.stack([pool.expect(phrase) for phrase in phrases])
    anything = pool.expect("")
    similar, nearest = (vectors @ anchors.t()).topk(min(NEIGHBORS, len(phrases)), dim=1)
    weights = (similar * SHARPNESS).softmax(dim=1)
    near = (weights[..., None] * called_for[nearest]).sum(1)
    trust = (similar[:, :1] - LEAST_SIMILAR) / (MOST_SIMILAR - LEAST_SIMILAR)
    trust = trust.clamp(0, 1)
    shares = trust * near + (1 - trust) * anything
    for index, text in enumerate(texts):
        if find_phrases(text):
            shares[index] = pool.expect(text)
    return Associations(texts, shares, vectors, prompts)


class Pool:
    """Pieces to ask what is likely.

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        clips = [training_clip(POOL_SEED + i, FRAMES) for i in range(size)]
        self._pieces: list[Piece] = [clip.piece for clip in clips]
        self._answers = one_hot(torch.tensor([facts(clip) for clip in clips]))
        self._fits: dict[str, Tensor] = {}

    def expect(self, text: str) -> Tensor:
        """How likely every answer is for a piece that a text calls for: (answers,)."""
        weights = torch.ones(len(self._pieces))
        for phrase in find_phrases(text):
            weights = weights * self._weigh(phrase)
        return weights @ self._answers / weights.sum()

    def write(self, seed: int) -> str:
        """A prompt for one of the pieces."""
        return prompt(self._pieces[seed % len(self._pieces)], Random(f"prompt {seed}"))

    def _weigh(self, phrase: str) -> Tensor:
        if phrase not in self._fits:
            meanings = lexicon()[phrase]
            fits = [any(m.fits(piece) for m in meanings) for piece in self._pieces]
            self._fits[phrase] = torch.where(torch.tensor(fits), 1.0, MISFIT)
        return self._fits[phrase]


def _mixed_prompt(random: Random) -> str:
    """A prompt of phrases that need not agree."""
    phrases = random.sample(list(lexicon()), random.choice((1, 2, 2, 3, 4)))
    return decorate(write_prompt({"moods": phrases}, [], random), random)
