"""The model that the recipe trains: songloom's LM with a small T5 encoder before it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel

from recipes.nano.codec import QUANTIZERS
from recipes.nano.compose.theory import FRAME
from songloom.models.chroma import chroma_frames
from songloom.models.delay import delays_for
from songloom.models.lm import LM, LMConfig

CHROMA_BINS = 12
# Sinusoidal positions have a size of 0.7; smaller embeddings drown in them.
EMBEDDING_STD = 0.5
TEXT_STD = 1.0
LINEAR_STD = 0.02


@dataclass(frozen=True)
class ModelSettings:
    """Size of the model."""

    codebook_size: int = 512
    hidden_size: int = 256
    layers: int = 4
    heads: int = 4
    ffn_size: int = 1024
    text_size: int = 192
    text_layers: int = 2
    text_heads: int = 4
    text_ffn_size: int = 512
    vocabulary: int = 406
    clip_frames: int = 750


class NanoModel(nn.Module):
    """Captions, chroma and delayed tokens to logits."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.text_encoder = T5EncoderModel(text_config(settings))
        self.lm = LM(lm_config(settings))
        initialise(self)

    def forward(self, tokens: Tensor, text: Tensor, heard: Tensor, chroma: Tensor) -> Tensor:
        """Logits (B, K, S, V) by teacher forcing.

        Args:
            tokens: (B, K, S) delayed tokens.
            text: (B, E) token ids of the captions, 0 where padded.
            heard: (B,) False where the text is dropped: its places become zero vectors.
            chroma: (B, frames, 12) one-hot; bin 0 throughout is the null melody.
        """
        attended = (text != 0).float()
        states = self.text_encoder(input_ids=text, attention_mask=attended).last_hidden_state
        prefix = self.lm.prefix(states, attended * heard[:, None].float(), chroma)
        logits: Tensor = self.lm(tokens, prefix)
        return logits


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
        num_codebooks=QUANTIZERS,
        codebook_size=settings.codebook_size,
        hidden_size=settings.hidden_size,
        num_layers=settings.layers,
        num_heads=settings.heads,
        ffn_size=settings.ffn_size,
        delays=delays_for(QUANTIZERS, channels=1),
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
