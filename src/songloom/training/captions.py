"""Captions for training: what is known about a song, said differently each time.

A prompt names whatever its writer thinks of: a style and a tempo, or a mood alone. So a song's own
description and its labels are mixed, shortened and shuffled anew for every window, as in the
reference's training ("Simple and Controllable Music Generation", Copet et al., 2023, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

Tags = Mapping[str, Sequence[str]]
"""Words about a song, by what they speak of: {"genre": ("rock",), "key": ("C minor",), ...}."""

DESCRIPTION_ALONE = 0.25
"""Share of captions that are the song's description and nothing else."""
TAGS_ALONE = 0.25
"""Share of captions without the description, where there are tags."""
KEEP_TAG = 0.7
"""Share of the tags in a caption that has tags."""


def full_caption(description: str, tags: Tags) -> str:
    """All that is known, always in the same words."""
    return _join_parts([description, *_find_unsaid(description, tags)])


def mixed_caption(description: str, tags: Tags, random: Random) -> str:
    """Some of what is known, in any order; empty only where nothing is known."""
    words = [word for group in tags.values() for word in group]
    if not words:
        return _join_parts([description])
    if not description.strip():
        return _join_parts(_choose_some(words, random))
    kind, unsaid = random.random(), _find_unsaid(description, tags)
    if kind < DESCRIPTION_ALONE:
        return _join_parts([description])
    if kind < DESCRIPTION_ALONE + TAGS_ALONE:
        return _join_parts(_choose_some(words, random))
    return _join_parts([description, *(_choose_some(unsaid, random) if unsaid else [])])


def _find_unsaid(description: str, tags: Tags) -> list[str]:
    """The tags that the description does not hold already."""
    said = description.casefold()
    return [word for group in tags.values() for word in group if word.casefold() not in said]


def _choose_some(words: list[str], random: Random) -> list[str]:
    kept = [word for word in words if random.random() < KEEP_TAG] or [random.choice(words)]
    random.shuffle(kept)
    return kept


def _join_parts(parts: Sequence[str]) -> str:
    clean = [part.strip() for part in parts]
    # A sentence that goes on loses its full stop.
    clean = [part.rstrip(".") for part in clean[:-1]] + clean[-1:]
    return ", ".join(part for part in clean if part)
