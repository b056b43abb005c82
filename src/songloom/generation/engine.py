"""The engine: many sequences decoded together, joining and leaving at token steps.

A sequence takes one row of the key-value cache, or two while guidance needs what the model says
without conditions. Everything that depends on the sequence alone (its conditions, its prompt, its
random numbers) is computed alone, so its tokens are the same whoever shares the batch.

Shapes: K codebooks, T frames, S steps of the delayed sequence, R active rows, V codebook size.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from songloom.generation.sampling import SamplingParams, guide, sample
from songloom.generation.sequence import Sequence
from songloom.models.adapter_bank import AdapterBank
from songloom.models.delay import apply_delay
from songloom.models.lm import LM, CachePlace, CrossStates, KVCache

UNKNOWN = -1
"""Stands in a sequence where a token is still to be drawn."""


class Engine:
    """Decodes sequences in the rows of one static key-value cache.

    Args:
        lm: the model, on its device, in evaluation mode.
        rows: sequences' rows that fit at once (two for a sequence with guidance).
        max_steps: longest sequence, the prefix included.
        adapters: those that sequences can name.
    """

    def __init__(
        self, lm: LM, rows: int, max_steps: int, adapters: AdapterBank | None = None
    ) -> None:
        self._lm = lm
        self._adapters = AdapterBank(lm) if adapters is None else adapters
        self._device, self._dtype = lm.device, lm.dtype
        self._cache = KVCache(lm.config, rows, max_steps, lm.device, lm.dtype)
        self._capacity = rows
        self._active: list[Sequence] = []
        self._owners: list[Sequence] = []  # of the active rows, in their order
        self._lengths: list[int] = []  # steps held by the active rows
        self._cross: CrossStates | None = None

    @property
    def active(self) -> tuple[Sequence, ...]:
        """The sequences being decoded."""
        return tuple(self._active)

    def fits(self, sequence: Sequence) -> bool:
        """Whether a sequence could join now."""
        return len(self._owners) + sequence.rows_needed <= self._capacity

    @torch.inference_mode()
    def admit(self, sequence: Sequence) -> None:
        """Let a sequence join: read its conditions and prompt, and draw its first step."""
        config = self._lm.config
        self._adapters.use([sequence.adapter])
        self._begin(sequence)
        first, count = len(self._owners), sequence.rows_needed
        sequence.rows = list(range(first, first + count))
        tokens = sequence.tokens[:, : sequence.step].expand(count, -1, -1)
        prefix = None if config.cross_attention else self._prefix(sequence)
        rows = slice(first, first + count)
        cross = _stack_cross_states([sequence.cross, None][:count])
        logits = self._lm.prefill(tokens, self._cache, rows, prefix, cross)
        held = sequence.step + (0 if prefix is None else prefix.shape[1])
        self._active.append(sequence)
        self._owners += [sequence] * count
        self._lengths += [held] * count
        self._cross = self._joined_cross()
        self._draw([(sequence, _guide_logits(sequence, logits, first))])

    @torch.inference_mode()
    def advance(self) -> None:
        """Draw one further step of every active sequence."""
        self._adapters.use([sequence.adapter for sequence in self._owners])
        tokens = torch.stack([sequence.tokens[:, sequence.step - 1] for sequence in self._owners])
        rows = slice(0, len(self._owners))
        place = CachePlace.from_lengths(rows, self._lengths, self._cache.keys[0])
        logits = self._lm.step(tokens, self._cache, place, self._cross)
        self._lengths = [length + 1 for length in self._lengths]
        self._draw([(sequence, _guide_logits(sequence, logits)) for sequence in self._active])

    def release(self, sequence: Sequence) -> None:
        """Let a sequence leave, finished or not; the last rows move into its place."""
        for row in sorted(sequence.rows, reverse=True):
            last = len(self._owners) - 1
            if row != last:
                self._move(last, row)
            self._owners.pop()
            self._lengths.pop()
        sequence.rows, sequence.cross = [], None
        self._active.remove(sequence)
        self._cross = self._joined_cross()

    def _move(self, source: int, target: int) -> None:
        length = self._lengths[source]
        self._cache.move(source, target, length)
        owner = self._owners[source]
        owner.rows[owner.rows.index(source)] = target
        self._owners[target], self._lengths[target] = owner, length

    def _begin(self, sequence: Sequence) -> None:
        """Lay out a sequence's steps, with the tokens of its prompt, and read its text."""
        config, prompt, text = self._lm.config, sequence.prompt, sequence.conditions.text
        known = 0 if prompt is None else prompt.shape[1]
        codes = torch.full((config.num_codebooks, sequence.frames), UNKNOWN, device=self._device)
        if prompt is not None:
            codes[:, :known] = prompt.to(self._device)
        sequence.tokens = apply_delay(codes, config.delays, config.special_token)
        # The first step with a token to draw is that of frame `known` in the fastest codebook;
        # what the slower codebooks hold there is known from the prompt and kept.
        sequence.step = 1 + known + min(config.delays)
        if config.cross_attention and text is not None:
            sequence.cross = self._lm.cross_states(text.to(self._device, self._dtype))

    def _prefix(self, sequence: Sequence) -> Tensor:
        """(rows, P, D): the conditions, then, for guidance, equally many steps without them."""
        config, conditions = self._lm.config, sequence.conditions
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
        if sequence.rows_needed == 1:
            return prefix
        return torch.cat([prefix, self._lm.prefix(text, torch.zeros_like(mask), None)])

    def _joined_cross(self) -> CrossStates | None:
        """The texts of all active rows; the rows without conditions have none."""
        return _stack_cross_states(
            [
                owner.cross if owner.rows[0] == row else None
                for row, owner in enumerate(self._owners)
            ]
        )

    def _draw(self, ready: list[tuple[Sequence, Tensor]]) -> None:
        """Fill the next step of each sequence from its logits (K, V)."""
        groups: dict[SamplingParams, list[tuple[Sequence, Tensor]]] = defaultdict(list)
        for sequence, logits in ready:
            groups[sequence.sampling].append((sequence, logits))
        for params, members in groups.items():
            stacked = torch.cat([logits for _, logits in members])
            uniforms = torch.cat([self._uniforms(sequence) for sequence, _ in members])
            drawn = sample(stacked, params, uniforms.to(self._device))
            for (sequence, _), tokens in zip(members, drawn.view(len(members), -1), strict=True):
                column = sequence.tokens[:, sequence.step]
                sequence.tokens[:, sequence.step] = torch.where(column == UNKNOWN, tokens, column)
                sequence.step += 1

    def _uniforms(self, sequence: Sequence) -> Tensor:
        """(K,) random numbers of the frames that the next step belongs to."""
        config = self._lm.config
        frames = [sequence.step - 1 - delay for delay in config.delays]
        last = sequence.frames - 1
        # Steps before the first or past the last frame of a codebook draw nothing.
        rows = torch.tensor([min(max(frame, 0), last) for frame in frames])
        return sequence.uniforms[rows, torch.arange(config.num_codebooks)]


def _guide_logits(sequence: Sequence, logits: Tensor, first: int = 0) -> Tensor:
    """A sequence's logits (K, V) of (R, K, V), guided where it has a second row."""
    conditional = logits[sequence.rows[0] - first].float()
    if len(sequence.rows) == 1:
        return conditional
    return guide(conditional, logits[sequence.rows[1] - first].float(), sequence.guidance)


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
