"""The MusicGen language model: tokens of all codebooks in, logits of all codebooks out.

Source: "Simple and Controllable Music Generation" (Copet et al., 2023). A pre-norm transformer
decoder whose input is the sum of K codebook embeddings and a sinusoidal position. Text enters by
cross-attention (MusicGen) or, after the melody's chroma, as a prefix (MusicGen-Melody).

Shapes: B rows, K codebooks, S steps of the delayed sequence, P steps of the prefix, E steps of
text, L layers, H heads, D = hidden_size, V = codebook_size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor, nn

from songloom.models.layers import Embedding


@dataclass(frozen=True)
class LMConfig:
    """Shape of a language model."""

    num_codebooks: int
    """K: 4 for mono models, 8 for stereo ones."""
    codebook_size: int
    """V: tokens of one codebook; the token V is the special one (start and padding)."""
    hidden_size: int
    num_layers: int
    num_heads: int
    ffn_size: int
    delays: tuple[int, ...]
    """Steps by which each codebook lags, see `delay`."""
    text_size: int
    """Width of the text encoder's states."""
    cross_attention: bool
    """Text by cross-attention; otherwise text (and chroma) as a prefix."""
    chroma_bins: int = 0
    """Pitch classes of the melody condition, 0 for a model without one."""
    chroma_frames: int = 0
    """Frames of chroma in the prefix; a shorter melody is repeated to fill them."""

    @property
    def special_token(self) -> int:
        """The token that stands where the delay pattern has no frame."""
        return self.codebook_size

    @property
    def melody(self) -> bool:
        """Whether the model can follow a melody."""
        return self.chroma_bins > 0


class KVCache:
    """Self-attention keys and values of up to `rows` sequences, allocated once.

    The rows in use are the first ones. Each has a length of its own, so sequences of different
    ages can share a step. The system gives the memory as it is filled.
    """

    def __init__(
        self, config: LMConfig, rows: int, max_steps: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        shape = (rows, config.num_heads, max_steps, config.hidden_size // config.num_heads)
        layers = range(config.num_layers)
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for _ in layers]
        self.values = [torch.zeros(shape, device=device, dtype=dtype) for _ in layers]

    def update(self, layer: int, place: CachePlace, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the keys and values of new steps; return those of all steps that the rows hold.

        Args:
            layer: number of the transformer's layer.
            place: the rows of the cache, and the steps that they already hold.
            k: (B, H, S, D / H) keys of the new steps; one step where the rows' lengths differ.
            v: their values.

        Returns:
            Keys and values (B, H, place.start + S, D / H), views of the cache.
        """
        keys, values = self.keys[layer][place.rows], self.values[layer][place.rows]
        end = place.start + k.shape[2]
        if place.positions is None:
            keys[:, :, place.start : end], values[:, :, place.start : end] = k, v
        else:
            batch = torch.arange(len(place.positions), device=k.device)
            keys[batch, :, place.positions] = k[:, :, 0]
            values[batch, :, place.positions] = v[:, :, 0]
        return keys[:, :, :end], values[:, :, :end]

    def move(self, source: int, target: int, steps: int) -> None:
        """Copy the first `steps` steps of one row over another row."""
        for tensor in (*self.keys, *self.values):
            tensor[target, :, :steps] = tensor[source, :, :steps]

    @staticmethod
    def bytes_per_row(config: LMConfig, max_steps: int, dtype: torch.dtype) -> int:
        """Memory that a row takes once it is filled."""
        return 2 * config.num_layers * max_steps * config.hidden_size * dtype.itemsize


@dataclass(frozen=True)
class CachePlace:
    """Where one forward pass writes into a cache and what it may look at."""

    rows: slice
    """The rows of the cache that the batch stands in."""
    start: int
    """Steps that every row already holds (the longest, where they differ)."""
    positions: Tensor | None = None
    """(B,) steps that each row holds; None when they are all `start`."""
    mask: Tensor | None = None
    """(B, 1, 1, start + 1) added to the attention's scores: -inf where a row holds nothing."""

    @staticmethod
    def from_lengths(rows: slice, lengths: list[int], like: Tensor) -> CachePlace:
        """Place for one further step of rows that hold `lengths` steps; `like` gives the dtype."""
        start = max(lengths)
        if min(lengths) == start:
            return CachePlace(rows, start)
        positions = torch.tensor(lengths, device=like.device)
        hidden = torch.arange(start + 1, device=like.device) > positions[:, None]
        mask = torch.zeros_like(hidden, dtype=like.dtype).masked_fill(hidden, -math.inf)
        return CachePlace(rows, start, positions, mask[:, None, None, :])


@dataclass(frozen=True)
class Past:
    """The cache that one layer reads and writes in a forward pass."""

    cache: KVCache
    layer: int
    place: CachePlace


@dataclass(frozen=True)
class CrossStates:
    """Text, projected to the keys and values of every layer's cross-attention: computed once."""

    keys: list[Tensor]
    """L tensors (B, H, E, D / H)."""
    values: list[Tensor]
    """Like the keys. A row without text has zeros: attending to them adds exactly nothing."""
    mask: Tensor | None = None
    """(B, 1, 1, E) True where a row may attend; None when there is no padding."""


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B, S, D) -> (B, H, S, D / H)."""
    batch, steps, width = x.shape
    return x.view(batch, steps, num_heads, width // num_heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, S, D / H) -> (B, S, D)."""
    return x.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Causal multi-head attention with one fused projection to queries, keys and values."""

    def __init__(self, config: LMConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.out = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        """(B, S, D) -> (B, S, D); with a cache, after the steps that it already holds."""
        q, k, v = (split_heads(part, self.num_heads) for part in self.qkv(x).chunk(3, dim=-1))
        if past is not None:
            k, v = past.cache.update(past.layer, past.place, k, v)
        mask = None if past is None else past.place.mask
        # Several steps at once happen only in training and in the prefill of empty rows.
        heads = F.scaled_dot_product_attention(q, k, v, mask, is_causal=x.shape[1] > 1)
        return self.out(merge_heads(heads))


class CrossAttention(nn.Module):
    """Attention to the text."""

    def __init__(self, config: LMConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.q = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.kv = nn.Linear(config.hidden_size, 2 * config.hidden_size, bias=False)
        self.out = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def states(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Text (B, E, D) -> keys and values, each (B, H, E, D / H)."""
        keys, values = (split_heads(part, self.num_heads) for part in self.kv(text).chunk(2, -1))
        return keys.contiguous(), values.contiguous()

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """(B, S, D), and the text's `states`, -> (B, S, D)."""
        q = split_heads(self.q(x), self.num_heads)
        return self.out(merge_heads(F.scaled_dot_product_attention(q, keys, values, mask)))


class Block(nn.Module):
    """One transformer layer: self-attention, attention to the text, feed-forward."""

    def __init__(self, config: LMConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(config)
        self.cross_norm = nn.LayerNorm(width) if config.cross_attention else None
        self.cross = CrossAttention(config) if config.cross_attention else None
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn_in = nn.Linear(width, config.ffn_size, bias=False)
        self.ffn_out = nn.Linear(config.ffn_size, width, bias=False)

    def forward(
        self,
        x: Tensor,
        text: tuple[Tensor, Tensor, Tensor | None] | None = None,
        past: Past | None = None,
    ) -> Tensor:
        """(B, S, D) -> (B, S, D); `text` is the cross-attention's keys, values and mask."""
        x = x + self.attention(self.attention_norm(x), past)
        if self.cross is not None and self.cross_norm is not None and text is not None:
            x = x + self.cross(self.cross_norm(x), *text)
        x = x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))
        return x


class LM(nn.Module):
    """Delayed tokens (B, K, S), and conditions, to logits (B, K, S, V)."""

    def __init__(self, config: LMConfig) -> None:
        super().__init__()
        self.config = config
        width, vocabulary = config.hidden_size, config.codebook_size + 1
        self.embeddings = nn.ModuleList(
            Embedding(vocabulary, width) for _ in range(config.num_codebooks)
        )
        self.text_projection = nn.Linear(config.text_size, width)
        self.chroma_projection = nn.Linear(config.chroma_bins, width) if config.melody else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(width)
        self.heads = nn.Linear(width, config.num_codebooks * config.codebook_size, bias=False)
        self.recompute = False
        """Whether training computes each layer's inner states again instead of keeping them."""
        self._positions = torch.empty(0, width)  # grows when it is first needed

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the arithmetic (packed weights may have less)."""
        return self.norm.weight.dtype

    @property
    def _layers(self) -> Iterable[Block]:
        return cast("Iterable[Block]", self.blocks)

    def cross_states(self, text: Tensor, mask: Tensor | None = None) -> CrossStates:
        """Keys and values of the text for every layer.

        Args:
            text: (B, E, text_size) states of the text encoder.
            mask: (B, E) True where there is text; None when nothing is padded.
        """
        projected = self._project(text, mask)
        pairs = [block.cross.states(projected) for block in self._layers if block.cross]
        if mask is None:
            return CrossStates([k for k, _ in pairs], [v for _, v in pairs])
        # A row without text attends to zeros, as in the reference: to something it has to.
        visible = mask.bool() | ~mask.bool().any(dim=1, keepdim=True)
        return CrossStates([k for k, _ in pairs], [v for _, v in pairs], visible[:, None, None, :])

    def prefix(self, text: Tensor, mask: Tensor | None, chroma: Tensor | None) -> Tensor:
        """Prefix (B, P, D) of a melody model: chroma frames, then text.

        Args:
            text: (B, E, text_size) states of the text encoder.
            mask: (B, E) True where there is text, False where it is padded or dropped: such places
                become zero vectors, which the model attends to, as the reference does.
            chroma: (B, frames, chroma_bins) one-hot; None for the null chroma. It is repeated, or
                cut, to `chroma_frames`.
        """
        projected = self._project(text, mask)
        if self.chroma_projection is None:
            return projected
        if chroma is None:
            chroma = self.null_chroma(text.shape[0]).to(projected)
        repeats = math.ceil(self.config.chroma_frames / chroma.shape[1])
        filled = chroma.repeat(1, repeats, 1)[:, : self.config.chroma_frames]
        return torch.cat([self.chroma_projection(filled.to(projected.dtype)), projected], dim=1)

    def null_chroma(self, batch: int) -> Tensor:
        """Chroma of a request without a melody: (batch, 1, chroma_bins), one-hot on bin 0."""
        chroma = torch.zeros(batch, 1, self.config.chroma_bins)
        chroma[..., 0] = 1
        return chroma

    def forward(
        self, tokens: Tensor, prefix: Tensor | None = None, cross: CrossStates | None = None
    ) -> Tensor:
        """Teacher forcing: tokens (B, K, S) -> logits (B, K, S, V); step s predicts step s + 1."""
        return self._split_codebooks(self.heads(self.states(tokens, prefix, cross)))

    def states(
        self, tokens: Tensor, prefix: Tensor | None = None, cross: CrossStates | None = None
    ) -> Tensor:
        """Teacher forcing up to what the heads read: tokens (B, K, S) -> states (B, S, D)."""
        x = self._embed_at_positions(tokens, prefix)
        x = self._blocks(x, cross, None, None)
        if prefix is not None:
            x = x[:, prefix.shape[1] :]
        return self.norm(x)

    def prefill(
        self,
        tokens: Tensor,
        cache: KVCache,
        rows: slice,
        prefix: Tensor | None = None,
        cross: CrossStates | None = None,
    ) -> Tensor:
        """Fill empty cache rows with prefix and tokens (B, K, S); logits (B, K, V) of the last."""
        x = self._embed_at_positions(tokens, prefix)
        x = self._blocks(x, cross, cache, CachePlace(rows, 0))
        return self._logits(x[:, -1:])[:, :, 0]

    def step(
        self, tokens: Tensor, cache: KVCache, place: CachePlace, cross: CrossStates | None = None
    ) -> Tensor:
        """One further token step: tokens (B, K) -> logits (B, K, V)."""
        x = self._embed(tokens[..., None])
        table = self._position_table(place.start + 1, x.device)
        here = table[place.start] if place.positions is None else table[place.positions][:, None]
        x = x + here.to(x.dtype)
        x = self._blocks(x, cross, cache, place)
        return self._logits(x)[:, :, 0]

    def _embed(self, tokens: Tensor) -> Tensor:  # (B, K, S) -> (B, S, D)
        total = self.embeddings[0](tokens[:, 0])
        for k in range(1, self.config.num_codebooks):
            total = total + self.embeddings[k](tokens[:, k])
        return total

    def _embed_at_positions(self, tokens: Tensor, prefix: Tensor | None) -> Tensor:
        """Prefix and tokens (B, K, S), embedded, at their positions: (B, P + S, D)."""
        x = self._embed(tokens)
        if prefix is not None:
            x = torch.cat([prefix, x], dim=1)
        steps = x.shape[1]
        return x + self._position_table(steps, x.device)[:steps].to(x.dtype)

    def _project(self, text: Tensor, mask: Tensor | None) -> Tensor:  # (B, E, D)
        projected = self.text_projection(text)
        return projected if mask is None else projected * mask[..., None]

    def _position_table(self, steps: int, device: torch.device) -> Tensor:
        """Position vectors (at least `steps`, D), kept in float32."""
        if self._positions.shape[0] < steps or self._positions.device != device:
            size = max(2048, 2 ** math.ceil(math.log2(steps)))
            self._positions = sinusoidal_positions(size, self.config.hidden_size).to(device)
        return self._positions

    def _blocks(
        self,
        x: Tensor,
        cross: CrossStates | None,
        cache: KVCache | None,
        place: CachePlace | None,
    ) -> Tensor:
        recompute = self.recompute and torch.is_grad_enabled()
        for i, block in enumerate(self._layers):
            text = None if cross is None else (cross.keys[i], cross.values[i], cross.mask)
            past = None if cache is None or place is None else Past(cache, i, place)
            if recompute:
                x = torch.utils.checkpoint.checkpoint(block, x, text, use_reentrant=False)
            else:
                x = block(x, text, past)
        return x

    def _logits(self, x: Tensor) -> Tensor:  # (B, S, D) -> (B, K, S, V)
        return self._split_codebooks(self.heads(self.norm(x)))

    def _split_codebooks(self, logits: Tensor) -> Tensor:  # (B, S, K * V) -> (B, K, S, V)
        batch, steps, _ = logits.shape
        return logits.view(batch, steps, self.config.num_codebooks, -1).transpose(1, 2)


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Position vectors (length, width) in MusicGen's form: cosines, then sines."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1)))
    angles = torch.arange(length)[:, None] * frequencies[None]
    return torch.cat([angles.cos(), angles.sin()], dim=1)
