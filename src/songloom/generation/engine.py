"""The engine: many sequences decoded together, joining and leaving at token steps.

A sequence takes one row of the key-value cache, or two while guidance needs what the model says
without conditions. Everything that depends on the sequence alone (its conditions, its prompt, its
random numbers) is computed alone, so its tokens are the same whoever shares the batch.

Shapes: K codebooks, T frames, S steps of the delayed sequence, R active rows, V codebook size.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import torch
from torch import Tensor

from songloom.generation.sampling import SamplingParams, guide, sample
from songloom.models.adapter_bank import AdapterBank
from songloom.models.delay import apply_delay, sequence_length, undo_delay
from songloom.models.lm import LM, CachePlace, CrossStates, KVCache

UNKNOWN = -1
"""Stands in a sequence where a token is still to be drawn."""


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


@dataclass(frozen=True)
class Job:
    """One sequence to decode."""

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

    @property
    def rows(self) -> int:
        """Rows of the cache that it takes: two while guidance has something to strengthen."""
        return 1 if self.guidance == 1 or self.conditions.empty else 2


@dataclass(eq=False)
class Slot:
    """A sequence while it is decoded."""

    job: Job
    sequence: Tensor
    """(K, S) delayed tokens, UNKNOWN where they are still to be drawn."""
    step: int
    """Steps that are filled."""
    cross: CrossStates | None
    rows: list[int] = field(default_factory=list)
    """Rows of the cache: with conditions, then, for guidance, without."""

    @property
    def done(self) -> bool:
        """Whether every step is filled."""
        return self.steps_left == 0

    @property
    def steps_left(self) -> int:
        """Steps that are still to be filled."""
        return self.sequence.shape[1] - self.step

    def frames_done(self, delays: tuple[int, ...]) -> int:
        """Frames whose tokens are decided in all codebooks."""
        return max(0, self.step - 1 - max(delays))

    def codes(self, delays: tuple[int, ...]) -> Tensor:
        """The decided frames, (K, t)."""
        return undo_delay(self.sequence[:, : self.step], delays)


class Engine:
    """Decodes sequences in the rows of one static key-value cache.

    Args:
        lm: the model, on its device, in evaluation mode.
        rows: sequences' rows that fit at once (two for a sequence with guidance).
        max_steps: longest sequence, the prefix included.
        adapters: those that jobs can name.
    """

    def __init__(
        self, lm: LM, rows: int, max_steps: int, adapters: AdapterBank | None = None
    ) -> None:
        self._lm = lm
        self._adapters = AdapterBank(lm) if adapters is None else adapters
        self._device, self._dtype = lm.device, lm.dtype
        self._cache = KVCache(lm.config, rows, max_steps, lm.device, lm.dtype)
        self._capacity = rows
        self._slots: list[Slot] = []
        self._owners: list[Slot] = []  # of the active rows, in their order
        self._lengths: list[int] = []  # steps held by the active rows
        self._cross: CrossStates | None = None

    @property
    def active(self) -> tuple[Slot, ...]:
        """The sequences being decoded."""
        return tuple(self._slots)

    def fits(self, job: Job) -> bool:
        """Whether a sequence could join now."""
        return len(self._owners) + job.rows <= self._capacity

    @torch.inference_mode()
    def admit(self, job: Job) -> Slot:
        """Let a sequence join: read its conditions and prompt, and draw its first step."""
        config = self._lm.config
        self._adapters.use([job.adapter])
        slot = self._new_slot(job)
        first = len(self._owners)
        slot.rows = list(range(first, first + job.rows))
        tokens = slot.sequence[:, : slot.step].expand(job.rows, -1, -1)
        prefix = None if config.cross_attention else self._prefix(job)
        rows = slice(first, first + job.rows)
        cross = _stack_cross_states([slot.cross, None][: job.rows])
        logits = self._lm.prefill(tokens, self._cache, rows, prefix, cross)
        held = slot.step + (0 if prefix is None else prefix.shape[1])
        self._slots.append(slot)
        self._owners += [slot] * job.rows
        self._lengths += [held] * job.rows
        self._cross = self._joined_cross()
        self._draw([(slot, _guide_logits(slot, logits, first))])
        return slot

    @torch.inference_mode()
    def advance(self) -> None:
        """Draw one further step of every active sequence."""
        self._adapters.use([slot.job.adapter for slot in self._owners])
        tokens = torch.stack([slot.sequence[:, slot.step - 1] for slot in self._owners])
        rows = slice(0, len(self._owners))
        place = CachePlace.from_lengths(rows, self._lengths, self._cache.keys[0])
        logits = self._lm.step(tokens, self._cache, place, self._cross)
        self._lengths = [length + 1 for length in self._lengths]
        self._draw([(slot, _guide_logits(slot, logits)) for slot in self._slots])

    def release(self, slot: Slot) -> None:
        """Let a sequence leave, finished or not; the last rows move into its place."""
        for row in sorted(slot.rows, reverse=True):
            last = len(self._owners) - 1
            if row != last:
                self._move(last, row)
            self._owners.pop()
            self._lengths.pop()
        slot.rows = []
        self._slots.remove(slot)
        self._cross = self._joined_cross()

    def _move(self, source: int, target: int) -> None:
        length = self._lengths[source]
        self._cache.move(source, target, length)
        owner = self._owners[source]
        owner.rows[owner.rows.index(source)] = target
        self._owners[target], self._lengths[target] = owner, length

    def _new_slot(self, job: Job) -> Slot:
        config = self._lm.config
        known = 0 if job.prompt is None else job.prompt.shape[1]
        codes = torch.full((config.num_codebooks, job.frames), UNKNOWN, device=self._device)
        if job.prompt is not None:
            codes[:, :known] = job.prompt.to(self._device)
        sequence = apply_delay(codes, config.delays, config.special_token)
        cross = None
        if config.cross_attention and job.conditions.text is not None:
            cross = self._lm.cross_states(job.conditions.text.to(self._device, self._dtype))
        # The first step with a token to draw is that of frame `known` in the fastest codebook;
        # what the slower codebooks hold there is known from the prompt and kept.
        return Slot(job, sequence, 1 + known + min(config.delays), cross)

    def _prefix(self, job: Job) -> Tensor:
        """(rows, P, D): the conditions, then, for guidance, equally many steps without them."""
        config, conditions = self._lm.config, job.conditions
        text, kept = conditions.text, 1.0
        if text is None:
            # No text is one dropped token, as the reference's text encoder gives for "".
            text, kept = torch.zeros(1, 1, config.text_size), 0.0
        text = text.to(self._device, self._dtype)
        mask = torch.full(text.shape[:2], kept, device=self._device, dtype=self._dtype)
        chroma = conditions.chroma
        if chroma is not None:
            chroma = chroma.to(self._device, self._dtype)
        prefix = self._lm.prefix(text, mask, chroma)
        if job.rows == 1:
            return prefix
        return torch.cat([prefix, self._lm.prefix(text, torch.zeros_like(mask), None)])

    def _joined_cross(self) -> CrossStates | None:
        """The texts of all active rows; the rows without conditions have none."""
        return _stack_cross_states(
            [slot.cross if slot.rows[0] == row else None for row, slot in enumerate(self._owners)]
        )

    def _draw(self, ready: list[tuple[Slot, Tensor]]) -> None:
        """Fill the next step of each slot from its logits (K, V)."""
        groups: dict[SamplingParams, list[tuple[Slot, Tensor]]] = defaultdict(list)
        for slot, logits in ready:
            groups[slot.job.sampling].append((slot, logits))
        for params, members in groups.items():
            stacked = torch.cat([logits for _, logits in members])
            uniforms = torch.cat([self._uniforms(slot) for slot, _ in members])
            drawn = sample(stacked, params, uniforms.to(self._device))
            for (slot, _), tokens in zip(members, drawn.view(len(members), -1), strict=True):
                column = slot.sequence[:, slot.step]
                slot.sequence[:, slot.step] = torch.where(column == UNKNOWN, tokens, column)
                slot.step += 1

    def _uniforms(self, slot: Slot) -> Tensor:
        """(K,) random numbers of the frames that the next step belongs to."""
        config = self._lm.config
        frames = [slot.step - 1 - delay for delay in config.delays]
        last = slot.job.frames - 1
        # Steps before the first or past the last frame of a codebook draw nothing.
        rows = torch.tensor([min(max(frame, 0), last) for frame in frames])
        return slot.job.uniforms[rows, torch.arange(config.num_codebooks)]


def _guide_logits(slot: Slot, logits: Tensor, first: int = 0) -> Tensor:
    """A slot's logits (K, V) of (R, K, V), guided where it has a second row."""
    conditional = logits[slot.rows[0] - first].float()
    if len(slot.rows) == 1:
        return conditional
    return guide(conditional, logits[slot.rows[1] - first].float(), slot.job.guidance)


def _stack_cross_states(texts: list[CrossStates | None]) -> CrossStates | None:
    """Single texts as one batch, padded and masked; zeros for rows that have none."""
    known = [text for text in texts if text is not None]
    if not known:
        return None
    longest = max(text.keys[0].shape[2] for text in known)
    # A row without text may attend to everything: there are only zeros.
    visible = torch.tensor([longest if text is None else text.keys[0].shape[2] for text in texts])
    mask = torch.arange(longest) < visible[:, None]

    def batch(tensors: list[Tensor | None]) -> Tensor:
        like = next(tensor for tensor in tensors if tensor is not None)
        joined = like.new_zeros(len(tensors), like.shape[1], longest, like.shape[3])
        for row, tensor in enumerate(tensors):
            if tensor is not None:
                joined[row, :, : tensor.shape[2]] = tensor[0]
        return joined

    layers = range(len(known[0].keys))
    return CrossStates(
        [batch([None if text is None else text.keys[i] for text in texts]) for i in layers],
        [batch([None if text is None else text.values[i] for text in texts]) for i in layers],
        None if mask.all() else mask.to(known[0].keys[0].device)[:, None, None, :],
    )


def steps_needed(lm: LM, job: Job) -> int:
    """Steps of the cache that a job takes, its prefix included."""
    config = lm.config
    steps = sequence_length(job.frames, config.delays)
    if config.cross_attention:
        return steps
    text = job.conditions.text
    return steps + config.chroma_frames + (1 if text is None else text.shape[1])
