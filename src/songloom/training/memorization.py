"""Does a model repeat its training songs? The longest runs of generated tokens found in them.

A run is a stretch of frames that stands, token for token, in a clip and in a training song. A frame
that equals the one before it in every codebook adds nothing to a run: silence is one frame, however
long, so two pieces that end in silence are no copies of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

COPIED_SECONDS = 1.0
"""An exact run of this length doesn't come about by chance: every codebook agreed all along."""
WELL_BEYOND = 1.5
"""How many times the longest run of unheard music a run must be, to be called unusual."""
NOTICEABLE_SECONDS = 0.5
"""Runs below this are never called unusual: a note, or a stroke of a drum, may well be shared."""


@dataclass(frozen=True)
class TokenizedSong:
    """A song of the training data."""

    title: str
    codes: Tensor
    """(K, T) integer codes."""


@dataclass(frozen=True)
class Run:
    """The longest run of a clip; 0 frames, and no song, where nothing is shared."""

    frames: int = 0
    """Length; frames that repeat the one before are not counted."""
    clip_start: int = 0
    """Frame of the clip at which it starts."""
    song: str | None = None
    """Title of the song that holds it: the first that does."""
    song_start: int = 0
    """Frame of that song at which it starts."""


@dataclass(frozen=True)
class ClipRuns:
    """The longest stretches that one clip shares with the training songs."""

    exact: Run
    """All codebooks agree: the same sound."""
    coarse: Run
    """The first codebook agrees: roughly the same sound, details aside."""


Verdict = Literal["clear", "unusual", "copied"]


@dataclass(frozen=True)
class MemorizationCheck:
    """Runs of clips made before and after training, and of songs that training never saw."""

    frame_rate: float
    """Frames a second."""
    before: tuple[ClipRuns, ...]
    """Clips of the base model: it cannot have copied these songs, so its runs are chance."""
    after: tuple[ClipRuns, ...]
    """Clips of the trained model, of the same prompts and seeds."""
    held_out: tuple[ClipRuns, ...]
    """Excerpts of held-out songs, as long as the clips: what music of one style shares anyway."""

    def seconds(self, run: Run) -> float:
        """How long a run is."""
        return run.frames / self.frame_rate

    @property
    def normal(self) -> ClipRuns:
        """The longest runs of music that has nothing to do with these songs, or only the style."""
        return merge_longest([*self.before, *self.held_out])

    @property
    def verdict(self) -> Verdict:
        """The verdict: nothing unusual, longer than chance and style, or a copy."""
        longest, normal = merge_longest(self.after), self.normal
        if self.is_unusual(longest.exact, normal.exact):
            copied = self.seconds(longest.exact) >= COPIED_SECONDS
            return "copied" if copied else "unusual"
        return "unusual" if self.is_unusual(longest.coarse, normal.coarse) else "clear"

    def is_unusual(self, run: Run, normal: Run) -> bool:
        """Whether a run is well beyond the longest normal one."""
        long = self.seconds(run) >= NOTICEABLE_SECONDS
        return long and run.frames > WELL_BEYOND * normal.frames


def merge_longest(clips: Sequence[ClipRuns]) -> ClipRuns:
    """The longest run of each kind in any of the clips."""
    return ClipRuns(
        max((runs.exact for runs in clips), key=lambda run: run.frames, default=Run()),
        max((runs.coarse for runs in clips), key=lambda run: run.frames, default=Run()),
    )


def check_memorization(
    before: Sequence[Tensor],
    after: Sequence[Tensor],
    held_out: Sequence[Tensor],
    training: Iterable[TokenizedSong],
    frame_rate: float,
) -> MemorizationCheck:
    """Compare clips, each `(K, t)` codes, with the training songs.

    Args:
        before: clips of the base model.
        after: clips of the trained model.
        held_out: whole songs (K, T) that training did not see; as many excerpts as there are clips
            are taken from them, of a clip's length. May be empty.
        training: the songs of the training data, gone through once, so they may be read one by one.
        frame_rate: frames a second.
    """
    excerpts = _excerpts(held_out, [clip.shape[-1] for clip in after])
    runs = longest_runs([*before, *after, *excerpts], training)
    second, third = len(before), len(before) + len(after)
    return MemorizationCheck(
        frame_rate, tuple(runs[:second]), tuple(runs[second:third]), tuple(runs[third:])
    )


def longest_runs(clips: Sequence[Tensor], songs: Iterable[TokenizedSong]) -> list[ClipRuns]:
    """Find the longest run of each clip, `(K, t)` codes, in any of the songs.

    Takes time and memory in proportion to the frames: some seconds for ten hours of songs.
    """
    moving = [_moving_frames(clip) for clip in clips]
    exact = _Matcher([_symbols(clip[:, kept]) for clip, kept in zip(clips, moving, strict=True)])
    coarse = _Matcher([_symbols(clip[:1, kept]) for clip, kept in zip(clips, moving, strict=True)])
    titles, song_frames = [], []
    for song in songs:
        kept = _moving_frames(song.codes)
        exact.search(_symbols(song.codes[:, kept]))
        coarse.search(_symbols(song.codes[:1, kept]))
        titles.append(song.title)
        song_frames.append(kept)

    def run(found: _Match, clip_frames: Tensor) -> Run:
        if not found.length:
            return Run()
        return Run(
            frames=found.length,
            clip_start=int(clip_frames[found.clip_start]),
            song=titles[found.text],
            song_start=int(song_frames[found.text][found.text_start]),
        )

    return [
        ClipRuns(run(in_full, kept), run(in_outline, kept))
        for in_full, in_outline, kept in zip(
            exact.find_longest(), coarse.find_longest(), moving, strict=True
        )
    ]


def _excerpts(songs: Sequence[Tensor], lengths: Sequence[int]) -> list[Tensor]:
    """One excerpt per length, taken from the songs in turn, evenly spread over each."""
    if not songs:
        return []
    rounds = -(-len(lengths) // len(songs))
    excerpts = []
    for index, length in enumerate(lengths):
        song = songs[index % len(songs)]
        room = max(0, song.shape[-1] - length)
        start = room * (2 * (index // len(songs)) + 1) // (2 * rounds)
        excerpts.append(song[:, start : start + length])
    return excerpts


def _moving_frames(codes: Tensor) -> Tensor:
    """Indices of the frames of codes (K, T) that differ from the one before; the first does."""
    changes = (codes[:, 1:] != codes[:, :-1]).any(dim=0)
    return torch.cat([changes.new_ones(min(1, codes.shape[1])), changes]).nonzero()[:, 0]


def _symbols(codes: Tensor) -> list[bytes]:
    """One symbol per frame of codes (K, T): equal where all codebooks are."""
    frames = np.ascontiguousarray(codes.T.cpu().numpy().astype(np.int32))  # (T, K)
    symbols: list[bytes] = frames.view(f"V{frames.itemsize * frames.shape[1]}").ravel().tolist()
    return symbols


@dataclass(frozen=True)
class _Match:
    """A stretch of a clip that stands in a text; 0 long where there is none."""

    length: int
    clip_start: int
    text: int
    text_start: int


class _Matcher:
    """Finds the longest stretch of each clip that occurs in any of the texts searched.

    The clips become a suffix automaton, the smallest one that recognises all their stretches
    (Blumer et al., 1985, "The smallest automaton recognizing the subwords of a text"); each text is
    then read through it once, symbol by symbol.
    """

    SEPARATOR = b""
    """Stands between clips, and in no text: so no match goes from one clip to the next."""

    def __init__(self, clips: Sequence[Sequence[bytes]]) -> None:
        # By state. A state stands for stretches that end at the same places of the clips: those
        # longer than `length` of its `link`, up to its own `length`.
        self._edges: list[dict[bytes, int]] = [{}]
        self._link = [-1]
        self._length = [0]
        last = 0
        self._ends: list[list[int]] = []  # by clip and position: the state there
        for clip in clips:
            ends = []
            for symbol in clip:
                last = self._append(last, symbol)
                ends.append(last)
            self._ends.append(ends)
            last = self._append(last, self.SEPARATOR)
        states = len(self._edges)
        self._matched = [0] * states  # by state: the longest of its stretches found in a text,
        self._text = [0] * states  # in which text,
        self._stop = [0] * states  # and where it stops there (exclusive)
        self._texts = 0

    def _append(self, last: int, symbol: bytes) -> int:
        """Add a symbol after the state `last`; gives the new last state."""
        new = self._add_state(self._length[last] + 1, {})
        state = last
        while state != -1 and symbol not in self._edges[state]:
            self._edges[state][symbol] = new
            state = self._link[state]
        if state == -1:
            self._link[new] = 0
            return new
        after = self._edges[state][symbol]
        if self._length[after] == self._length[state] + 1:
            self._link[new] = after
            return new
        split = self._add_state(self._length[state] + 1, dict(self._edges[after]))
        self._link[split] = self._link[after]
        self._link[after] = self._link[new] = split
        while state != -1 and self._edges[state].get(symbol) == after:
            self._edges[state][symbol] = split
            state = self._link[state]
        return new

    def _add_state(self, length: int, edges: dict[bytes, int]) -> int:
        self._edges.append(edges)
        self._link.append(0)
        self._length.append(length)
        return len(self._edges) - 1

    def search(self, text: Sequence[bytes]) -> None:
        """Read a text: note, by state, the longest stretch that ends anywhere in it."""
        edges, link, lengths, matched = self._edges, self._link, self._length, self._matched
        state = length = 0
        for stop, symbol in enumerate(text, start=1):
            while symbol not in edges[state]:
                if not state:
                    length = 0
                    break
                state = link[state]
                length = lengths[state]
            else:
                state = edges[state][symbol]
                length += 1
                if length > matched[state]:
                    matched[state], self._text[state], self._stop[state] = length, self._texts, stop
        self._texts += 1

    def find_longest(self) -> list[_Match]:
        """The longest match of each clip, the first of several."""
        # What ends a found stretch was found too: the states behind a state's link, in full.
        for state in sorted(range(1, len(self._link)), key=self._length.__getitem__, reverse=True):
            behind = self._link[state]
            if self._matched[state] and self._matched[behind] < self._length[behind]:
                self._matched[behind] = self._length[behind]
                self._text[behind], self._stop[behind] = self._text[state], self._stop[state]
        return [self._find_longest_before(ends) for ends in self._ends]

    def _find_longest_before(self, ends: Sequence[int]) -> _Match:
        best = _Match(0, 0, 0, 0)
        for clip_stop, end in enumerate(ends, start=1):
            state = end
            while state and not self._matched[state]:
                state = self._link[state]
            length = self._matched[state] if state else 0
            if length > best.length:
                stop = self._stop[state]
                best = _Match(length, clip_stop - length, self._text[state], stop - length)
        return best
