"""From a piece to what is played when: sounds on a time line, labels and chords frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipes.nano.codes import sound_number
from recipes.nano.compose.instruments import SECTIONS, Sound
from recipes.nano.compose.piece import Piece
from recipes.nano.compose.theory import FRAME, STEPS, step_frame
from songloom.models.chroma import HOP, chroma_frames

OLDEST = 15  # frames since the attack that labels tell apart
PITCH_CLASSES = 12


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


def label_frames(excerpt: Excerpt) -> NDArray[np.int64]:
    """The number of each section's sound, 0 for none, then their ages: (2 * sections, frames)."""
    count = len(SECTIONS)
    labels = np.zeros((2 * count, excerpt.frames), np.int64)
    for event in played(excerpt):
        section, span = event.sound.section, slice(event.start, event.end)
        ages = np.arange(event.age, event.age + event.end - event.start)
        labels[section, span] = sound_number(event.sound)
        labels[count + section, span] = np.minimum(ages, OLDEST)
    return labels


def chord_chroma(excerpt: Excerpt) -> NDArray[np.float32]:
    """The piece's chords as chroma frames of several ones: (chroma frames, 12)."""
    piece, samples = excerpt.piece, excerpt.frames * FRAME
    rows = np.zeros((chroma_frames(samples), PITCH_CLASSES), np.float32)
    for number in range(len(rows)):
        frame = excerpt.start + min(number * HOP, samples - 1) // FRAME
        bar, position = divmod(frame, piece.frames_per_bar)
        if excerpt.last_bar is not None and bar > excerpt.last_bar:
            rows[number, 0] = 1  # silence has the first bin, as measured chroma does
            continue
        half = position >= step_frame(STEPS // 2, piece.frames_per_eighth)
        ending = bar == excerpt.last_bar
        chord = piece.key.triad(0) if ending else piece.chords_of_bar(bar)[half]
        rows[number, list(chord)] = 1
    return rows
