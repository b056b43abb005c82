"""From a piece to what is played when, and to tokens."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipes.nano.codes import SILENCE, sound_codes
from recipes.nano.compose.instruments import SECTIONS, Sound
from recipes.nano.compose.piece import Piece
from recipes.nano.compose.theory import STEPS, step_frame


@dataclass(frozen=True)
class Excerpt:
    """Some frames of a piece."""

    piece: Piece
    start: int
    """First frame, counted from the start of the piece."""
    frames: int
    last_bar: int | None = None
    """The bar that is the piece's ending; None where it goes on beyond the excerpt."""


@dataclass(frozen=True)
class Played:
    """A sound on the time line of an excerpt, in frames; `age` of its frames came before."""

    start: int
    end: int
    sound: Sound
    age: int = 0


def played(excerpt: Excerpt) -> Iterator[Played]:
    """What is played, bar by bar; a section's sounds follow each other and never overlap."""
    piece, bar_frames = excerpt.piece, excerpt.piece.frames_per_bar
    first, last = excerpt.start // bar_frames, (excerpt.start + excerpt.frames - 1) // bar_frames
    for index in range(first, last + 1):
        if excerpt.last_bar is not None and index > excerpt.last_bar:
            return
        bar = piece.ending if index == excerpt.last_bar else piece.bar(index)
        offset = index * bar_frames - excerpt.start
        for section in range(len(SECTIONS)):
            events = [event for event in bar if event.sound.section == section]
            eighth = piece.frames_per_eighth
            for number, event in enumerate(events):
                end = min(event.onset + event.length, STEPS)
                if number + 1 < len(events):
                    end = min(end, events[number + 1].onset)
                start_frame = offset + step_frame(event.onset, eighth)
                end_frame = min(offset + step_frame(end, eighth), excerpt.frames)
                start = max(0, start_frame)
                if start < end_frame:
                    yield Played(start, end_frame, event.sound, start - start_frame)


def tokens(excerpt: Excerpt) -> NDArray[np.int64]:
    """The excerpt as the codec's tokens: (sections, frames)."""
    codes = np.full((len(SECTIONS), excerpt.frames), SILENCE, np.int64)
    for event in played(excerpt):
        held = sound_codes(event.sound, event.age + event.end - event.start)
        codes[event.sound.section, event.start : event.end] = held[event.age :]
    return codes
