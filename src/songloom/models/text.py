"""Text to the states that condition the language model: a T5 encoder.

Source: "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer"
(Raffel et al., 2020). The network is transformers' `T5EncoderModel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import T5EncoderModel

MAX_TOKENS = 512
"""Tokens of a text that are read; T5 was trained on no more. The rest of a longer text is cut."""


class TextEncoder:
    """One text at a time to its states, so that no text is ever padded to another's length."""

    def __init__(self, tokenizer: Tokenizer, encoder: T5EncoderModel) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer = tokenizer
        self.encoder = encoder.eval()

    @property
    def width(self) -> int:
        """Width of the states."""
        return int(self.encoder.config.d_model)

    @torch.inference_mode()
    def __call__(self, text: str) -> Tensor:
        """Text -> states (1, E, width), E tokens with the closing one."""
        device = next(self.encoder.parameters()).device
        ids = torch.tensor([self.tokenizer.encode(text).ids], device=device)
        states: Tensor = self.encoder(input_ids=ids).last_hidden_state
        return states
