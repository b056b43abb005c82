"""T5's encoder: tokens of a text to states.

Source: "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer"
(Raffel et al., 2020). Like transformers' `T5EncoderModel`, which it is tested against; importing
that library takes longer than generating eight seconds of music with a small model.

Shapes: B texts, E tokens, H heads, D = d_model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from songloom.models.layers import Embedding


@dataclass(frozen=True)
class T5Config:
    """Shape of the encoder, under the names that `config.json` has."""

    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    """Width of a head; not d_model / num_heads in every T5."""
    d_ff: int = 2048
    num_layers: int = 6
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: str = "relu"
    """ "relu" (T5) or "gated-gelu" (T5 1.1 and Flan-T5)."""


class T5Encoder(nn.Module):
    """Tokens (B, E) to states (B, E, D); no text is padded, so there is no mask."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.vocab_size, config.d_model)
        self.position_bias = PositionBias(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, E) -> (B, E, D)."""
        x = self.embedding(tokens)
        bias = self.position_bias(tokens.shape[1])
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)


class PositionBias(nn.Module):
    """Attention's bias for the distance between two tokens, the same in every layer."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.buckets = config.relative_attention_num_buckets
        self.farthest = config.relative_attention_max_distance
        self.table = Embedding(self.buckets, config.num_heads)

    def forward(self, length: int) -> Tensor:
        """Bias (1, H, length, length)."""
        positions = torch.arange(length, device=self.table.weight.device)
        bias = self.table(self._bucket(positions[None] - positions[:, None]))
        return bias.permute(2, 0, 1)[None]

    def _bucket(self, distance: Tensor) -> Tensor:
        """Half of the buckets for each direction: one a distance, then ever wider ones."""
        half = self.buckets // 2
        exact = half // 2
        far = distance.abs().clamp(min=1).float()
        widening = torch.log(far / exact) / math.log(self.farthest / exact) * (half - exact)
        wide = (exact + widening.long()).clamp(max=half - 1)
        bucket = torch.where(distance.abs() < exact, distance.abs(), wide)
        return bucket + half * (distance > 0)


class Block(nn.Module):
    """Self-attention, then feed-forward, each on normed input and added to it."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        inner = config.num_heads * config.d_kv
        self.num_heads = config.num_heads
        self.attention_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.q = nn.Linear(config.d_model, inner, bias=False)
        self.k = nn.Linear(config.d_model, inner, bias=False)
        self.v = nn.Linear(config.d_model, inner, bias=False)
        self.o = nn.Linear(inner, config.d_model, bias=False)
        gated = config.feed_forward_proj == "gated-gelu"
        self.ffn_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.ffn_in = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.ffn_gate = nn.Linear(config.d_model, config.d_ff, bias=False) if gated else None
        self.ffn_out = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, E, D) -> (B, E, D)."""
        h = self.attention_norm(x)
        q, k, v = (
            part(h).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        # T5 does not scale the scores; its initialisation does.
        attended = F.scaled_dot_product_attention(q, k, v, bias.to(q.dtype), scale=1.0)
        x = x + self.o(attended.transpose(1, 2).flatten(2))
        h = self.ffn_norm(x)
        if self.ffn_gate is None:
            h = F.relu(self.ffn_in(h))
        else:
            h = F.gelu(self.ffn_gate(h), approximate="tanh") * self.ffn_in(h)
        x = x + self.ffn_out(h)
        return x
