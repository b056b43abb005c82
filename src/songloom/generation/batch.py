"""Continuous batching: pieces are decoded together, and join and leave at token steps.

None changes another: see `engine`. A piece longer than the model's window is decoded window after
window, each of them a sequence of the engine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from songloom.checkpoints.components import Components
from songloom.generation.engine import Engine
from songloom.generation.precision import limited_threads, threads_for
from songloom.generation.prepare import Piece
from songloom.generation.sequence import Sequence
from songloom.models.adapter_bank import AdapterBank
from songloom.models.delay import sequence_length
from songloom.models.lm import KVCache

MAX_ROWS = 64
"""Rows that are decoded together: thirty-two requests with guidance; others wait for a place."""
CACHE_BYTES = 4 * 2**30
"""Memory that the key-value cache may take, where one request alone does not need more."""
LONGEST_TEXT = 256
"""Tokens of a prompt that an open batch has room for without making its cache anew."""
STEPS_AT_ONCE = 10
"""Token steps between looks at progress and cancellation; on a GPU, each look waits for it."""


@dataclass(frozen=True)
class StepCount:
    """How much was decoded."""

    steps: int
    """Token steps; the first steps of pieces that are admitted together count as one."""
    tokens: int
    """Rows, summed over these steps: a piece with guidance has two, another one."""


class Batch:
    """Pieces while they are decoded.

    Args:
        components: the model.
        adapters: those that pieces name.
        rows: rows of the cache that may be taken (two for a piece with guidance), fewer where
            memory is short.
        steps: of the longest sequence, its prefix included; None for the model's window.
    """

    def __init__(
        self, components: Components, adapters: AdapterBank, rows: int, steps: int | None = None
    ) -> None:
        self._components, self._adapters = components, adapters
        self._rows = min(rows, MAX_ROWS)
        self._steps = steps or window_steps(components)
        self._engine: Engine | None = None  # the cache is large: it is made for the first piece
        self._waiting: deque[Piece] = deque()
        self._active: list[Piece] = []

    @staticmethod
    def from_pieces(
        pieces: Iterable[Piece], components: Components, adapters: AdapterBank
    ) -> Batch:
        """A batch of these pieces and no others, with a cache of just their size."""
        waiting = [piece for piece in pieces if piece.begin_window(components)]
        steps = [piece.sequence.steps_needed(components.lm.config) for piece in waiting]
        rows = sum(piece.sequence.rows_needed for piece in waiting)
        batch = Batch(components, adapters, rows, max(steps, default=1))
        batch._waiting.extend(waiting)
        return batch

    @property
    def empty(self) -> bool:
        """Whether nothing is left to decode."""
        return not self._waiting and not self._active

    @property
    def rows(self) -> int:
        """Rows that are being decoded."""
        return sum(piece.sequence.rows_needed for piece in self._active)

    def add(self, piece: Piece) -> None:
        """Let a piece join at the next step that has room for it; first come, first served."""
        if piece.begin_window(self._components):
            self._waiting.append(piece)

    def remove(self, piece: Piece) -> None:
        """Let a piece leave, wherever it is; its tokens so far stay in it."""
        if piece in self._waiting:
            self._waiting.remove(piece)
        elif piece in self._active:
            self._leave(piece)

    def advance(self) -> StepCount:
        """Admit what fits, then draw a few steps of every active piece and fill in its codes.

        Returns:
            The steps and tokens that were decoded: none once the batch is empty.
        """
        engine = self._fitting_engine()
        if engine is None:
            return StepCount(0, 0)
        admitted_rows = 0
        delays = self._components.lm.config.delays
        with limited_threads(threads_for(self._components.lm, self.rows)):
            while self._waiting and self._has_room(engine, self._waiting[0].sequence):
                piece = self._waiting.popleft()
                engine.admit(piece.sequence)
                self._active.append(piece)
                admitted_rows += piece.sequence.rows_needed  # admitting draws a first step
            steps = min(STEPS_AT_ONCE, *(piece.sequence.steps_left for piece in self._active))
            for _ in range(steps):
                engine.advance()
        count = StepCount(steps + bool(admitted_rows), admitted_rows + steps * self.rows)
        for piece in list(self._active):
            piece.collect_codes(delays)
            if piece.sequence.done:
                self._leave(piece)
                if piece.begin_window(self._components):
                    self._waiting.appendleft(piece)
        return count

    def _leave(self, piece: Piece) -> None:
        assert self._engine is not None
        self._engine.release(piece.sequence)
        self._active.remove(piece)

    def _has_room(self, engine: Engine, sequence: Sequence) -> bool:
        steps = sequence.steps_needed(self._components.lm.config)
        return engine.fits(sequence) and steps <= self._steps

    def _fitting_engine(self) -> Engine | None:
        """The engine, made anew where nobody is in it and the next piece would not fit into it."""
        if self.empty:
            return None
        lm = self._components.lm
        if not self._active:
            following = self._waiting[0].sequence
            needed = following.steps_needed(lm.config)
            if self._engine is None or needed > self._steps:
                self._steps = max(self._steps, needed)
                fitting = CACHE_BYTES // KVCache.bytes_per_row(lm.config, self._steps, lm.dtype)
                rows = max(following.rows_needed, min(self._rows, fitting))
                self._engine = None  # its memory first
                self._engine = Engine(lm, rows, self._steps, self._adapters)
        return self._engine


def window_steps(components: Components) -> int:
    """Steps of the cache that a whole window takes, with a prefix of a long prompt."""
    config, info = components.lm.config, components.info
    frames = round(info.window_seconds * info.frame_rate)
    steps = sequence_length(frames, config.delays)
    return steps if config.cross_attention else steps + config.chroma_frames + LONGEST_TEXT
