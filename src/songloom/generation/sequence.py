"""A sequence: the stretch of a piece that the model decodes at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from songloom.generation.sampling import SamplingParams
from songloom.models.delay import sequence_length, undo_delay
from songloom.models.lm import CrossStates, LMConfig


@dataclass(frozen=True)
class Conditions:
    """The conditions of a sequence: text and melody."""

    text: Tensor | None = None
    """(1, E, text_size) states of the text encoder; None for no text."""
    chroma: Tensor | None = None
    """(1, frames, chroma_bins) one-hot melody; None for none."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing that guidance could strengthen."""
        return self.text is None and self.chroma is None


@dataclass(eq=False)
class Sequence:
    """What to decode, and once an engine has admitted it, how far that is.

    Shapes: K codebooks, T frames, S steps of the delayed sequence.
    """

    frames: int
    """T: frames of the result, the prompt included."""
    conditions: Conditions
    sampling: SamplingParams
    guidance: float
    uniforms: Tensor
    """(T, K) the random numbers of its draws."""
    prompt: Tensor | None = None
    """(K, t) codes that the result begins with."""
    adapter: str | None = None
    """The adapter that it is decoded with; None for the model alone."""

    tokens: Tensor = field(init=False, repr=False)
    """(K, S) delayed tokens, those from `step` on still to be drawn; set by the engine."""
    step: int = field(init=False, default=0)
    """Steps that are filled."""
    cross: CrossStates | None = field(init=False, default=None, repr=False)
    """Keys and values of its text while it is decoded, in models that attend to one."""
    rows: list[int] = field(init=False, default_factory=list)
    """Rows of the engine's cache: with conditions, then, for guidance, without."""

    @property
    def rows_needed(self) -> int:
        """Rows of the cache that it takes: two while guidance has something to strengthen."""
        return 1 if self.guidance == 1 or self.conditions.empty else 2

    def steps_needed(self, config: LMConfig) -> int:
        """Steps of the cache that it takes, its prefix included."""
        steps = sequence_length(self.frames, config.delays)
        if config.cross_attention:
            return steps
        text = self.conditions.text
        return steps + config.chroma_frames + (1 if text is None else text.shape[1])

    @property
    def steps_left(self) -> int:
        """Steps that are still to be filled."""
        return self.tokens.shape[1] - self.step

    @property
    def done(self) -> bool:
        """Whether every step is filled."""
        return self.steps_left == 0

    def frames_done(self, delays: tuple[int, ...]) -> int:
        """Frames whose tokens are decided in all codebooks."""
        return max(0, self.step - 1 - max(delays))

    def codes(self, delays: tuple[int, ...]) -> Tensor:
        """The decided frames, (K, t)."""
        return undo_delay(self.tokens[:, : self.step], delays)
