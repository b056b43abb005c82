"""The model that the recipe trains: songloom's LM with a small T5 encoder before it."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel

from recipes.nano.clips import CLIP_FRAMES
from recipes.nano.codes import sounds
from recipes.nano.compose.instruments import SECTIONS
from recipes.nano.compose.theory import FRAME
from recipes.nano.score import OLDEST
from songloom.models.chroma import chroma_frames
from songloom.models.delay import delays_for
from songloom.models.lm import (
    LM,
    Block,
    LMConfig,
    merge_heads,
    sinusoidal_positions,
    split_heads,
)

CHROMA_BINS = 12
# Sinusoidal positions have a size of 0.7; smaller embeddings drown in them.
EMBEDDING_STD = 0.3
TEXT_STD = 1.0
LINEAR_STD = 0.02


@dataclass(frozen=True)
class ModelSettings:
    """Size of the model."""

    codebooks: int = 4
    codebook_size: int = 2048
    hidden_size: int = 448
    layers: int = 6
    heads: int = 7
    ffn_size: int = 1792
    text_size: int = 192
    text_layers: int = 2
    text_heads: int = 4
    text_ffn_size: int = 512
    vocabulary: int = 2048
    clip_frames: int = CLIP_FRAMES
    """Of the composer's grid: half as many as the codec's."""


class NanoModel(nn.Module):
    """Captions, chroma and delayed tokens to logits."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.text_encoder = T5EncoderModel(text_config(settings))
        self.lm = LM(lm_config(settings))
        initialise(self)

    def forward(self, tokens: Tensor, text: Tensor, heard: Tensor, chroma: Tensor | None) -> Tensor:
        """Logits (B, K, S, V) by teacher forcing, see `states`."""
        return self.read(self.states(tokens, text, heard, chroma))

    def read(self, states: Tensor) -> Tensor:
        """States (B, S, D) -> logits (B, K, S, V)."""
        logits = self.lm.heads(states)
        return logits.unflatten(2, (len(self.lm.embeddings), -1)).transpose(1, 2)

    def states(self, tokens: Tensor, text: Tensor, heard: Tensor, chroma: Tensor | None) -> Tensor:
        """What the heads read, (B, S, D).

        Args:
            tokens: (B, K, S) delayed tokens.
            text: (B, E) token ids of the captions, 0 where padded.
            heard: (B,) False where the text is dropped: its places become zero vectors.
            chroma: (B, frames, 12); bin 0 throughout is the null melody. None is the same for all
                rows, computed once.
        """
        attended = (text != 0).float()
        states = self.text_encoder(input_ids=text, attention_mask=attended).last_hidden_state
        known = attended * heard[:, None].float()
        if chroma is None:
            return self._without_melody(tokens, self.lm.text_projection(states) * known[..., None])
        return self.lm.states(tokens, self.lm.prefix(states, known, chroma))

    def _without_melody(self, tokens: Tensor, text: Tensor) -> Tensor:
        """Tokens (B, K, S) after projected text (B, E, D) after one null melody for all rows.

        The melody comes first and sees nothing of the rest, so it is the same in every row. It is
        the longest part of a short clip.
        """
        lm = self.lm
        embedded = sum(table(tokens[:, k]) for k, table in enumerate(lm.embeddings))
        rows = torch.cat([text, embedded], dim=1)
        null = lm.null_chroma(1).to(rows).expand(1, lm.config.chroma_frames, -1)
        led, steps = lm.config.chroma_frames, rows.shape[1]
        positions = sinusoidal_positions(led + steps, lm.config.hidden_size).to(rows)
        lead = lm.chroma_projection(null) + positions[:led]
        rows = rows + positions[led:]
        visible = torch.ones(steps, led + steps, dtype=torch.bool, device=rows.device).tril(led)
        for block in lm.blocks:
            lead, rows = _layer(block, lead, rows, visible)
        return lm.norm(rows[:, text.shape[1] :])


LABELS = (*(len(sounds(section)) + 1 for section in range(len(SECTIONS))), *[OLDEST + 1] * 4)
"""How many answers there are to each of `label_frames`."""


class ScoreReader(nn.Module):
    """Tells what is played next from the language model's states, while that is trained.

    A token depends on all that sounds at once, so what a mistake was about is hard to see in it.
    The score is simple, and what it says of the next frame is what the model has to plan.

    Args:
        width: of the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.answers = nn.Linear(width, sum(LABELS))

    def forward(self, states: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy in nats of each label of the frame that comes next: (labels,).

        Args:
            states: (B, S, D), of which step s is followed by the codec's frame s.
            labels: (B, L, T / 2) of the score's frames, each as long as two of the codec's.
        """
        following = labels.repeat_interleave(2, dim=2)
        guesses = self.answers(states[:, : following.shape[2]]).float().split(LABELS, dim=-1)
        return torch.stack([
            F.cross_entropy(guess.flatten(0, 1), following[:, number].flatten())
            for number, guess in enumerate(guesses)
        ])  # fmt: skip


def _layer(block: Block, lead: Tensor, rows: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """A layer over a lead (1, P, D) that all rows (B, S, D) have before them."""
    heads = block.attention.num_heads
    q, k, v = (
        split_heads(part, heads)
        for part in block.attention.qkv(block.attention_norm(lead)).chunk(3, dim=-1)
    )
    heard = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    lead = lead + block.attention.out(merge_heads(heard))
    q, own_k, own_v = (
        split_heads(part, heads)
        for part in block.attention.qkv(block.attention_norm(rows)).chunk(3, dim=-1)
    )
    keys, values = (
        torch.cat([shared.expand(len(rows), -1, -1, -1), own], dim=2)
        for shared, own in ((k, own_k), (v, own_v))
    )
    heard = F.scaled_dot_product_attention(q, keys, values, visible)
    rows = rows + block.attention.out(merge_heads(heard))
    return tuple(x + block.ffn_out(F.gelu(block.ffn_in(block.ffn_norm(x)))) for x in (lead, rows))


def text_config(settings: ModelSettings) -> T5Config:
    """The text encoder's shape; `</s>` is 1 and padding 0, as T5 has it."""
    return T5Config(
        vocab_size=settings.vocabulary,
        d_model=settings.text_size,
        d_kv=settings.text_size // settings.text_heads,
        d_ff=settings.text_ffn_size,
        num_layers=settings.text_layers,
        num_heads=settings.text_heads,
        dropout_rate=0.0,
        feed_forward_proj="relu",
    )


def lm_config(settings: ModelSettings) -> LMConfig:
    """The language model's shape: mono, melody and text as a prefix."""
    return LMConfig(
        num_codebooks=settings.codebooks,
        codebook_size=settings.codebook_size,
        hidden_size=settings.hidden_size,
        num_layers=settings.layers,
        num_heads=settings.heads,
        ffn_size=settings.ffn_size,
        delays=delays_for(settings.codebooks, channels=1),
        text_size=settings.text_size,
        cross_attention=False,
        chroma_bins=CHROMA_BINS,
        chroma_frames=chroma_frames(settings.clip_frames * FRAME),
    )


@torch.no_grad()
def initialise(model: NanoModel) -> None:
    """Small matrices, smaller ones where a layer adds to the residual stream, large embeddings."""
    lm = model.lm
    for block in lm.blocks:
        for name, parameter in block.named_parameters():
            if parameter.dim() == 2:
                last = name.endswith(("attention.out.weight", "ffn_out.weight"))
                scale = 1 / math.sqrt(2 * len(lm.blocks)) if last else 1.0
                nn.init.normal_(parameter, std=LINEAR_STD * scale)
    for table in lm.embeddings.parameters():
        nn.init.normal_(table, std=EMBEDDING_STD)
    nn.init.normal_(lm.heads.weight, std=LINEAR_STD)
    nn.init.normal_(lm.text_projection.weight, std=TEXT_STD / math.sqrt(lm.config.text_size))
    nn.init.zeros_(lm.text_projection.bias)
    if lm.chroma_projection is not None:
        nn.init.normal_(lm.chroma_projection.weight, std=TEXT_STD)
        nn.init.zeros_(lm.chroma_projection.bias)
