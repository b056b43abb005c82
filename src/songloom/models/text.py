"""Text to the states that condition the language model: a T5 encoder.

Source: "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer"
(Raffel et al., 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from songloom.models.t5 import T5Encoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENS = 512
"""Tokens of a text that are read; T5 was trained on no more. The rest of a longer text is cut, of
which `TextEncoder.count_unread` tells."""


class TextEncoder:
    """One text at a time to its states, so that no text is ever padded to another's length."""

    def __init__(self, tokenizer: Tokenizer, encoder: T5Encoder) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer = tokenizer
        self.encoder = encoder.eval()

    @property
    def width(self) -> int:
        """Width of the states."""
        return self.encoder.config.d_model

    def count_unread(self, text: str) -> int:
        """Characters at the end of a text that are not read, since it has too many tokens."""
        encoding = self.tokenizer.encode(text)
        if not encoding.overflowing:
            return 0
        return len(text) - max(end for _, end in encoding.offsets)

    @torch.inference_mode()
    def __call__(self, text: str) -> Tensor:
        """Text -> states (1, E, width), E tokens with the closing one."""
        device = self.encoder.norm.weight.device
        ids = torch.tensor([self.tokenizer.encode(text).ids], device=device)
        return self.encoder(ids)
