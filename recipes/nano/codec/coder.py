"""Codes of the trained network, for what trains on tokens."""

from pathlib import Path

import torch
from torch import Tensor

from recipes.nano.codec.network import FrameCodec
from recipes.nano.runs import load_checkpoint

MOST_AT_ONCE = 8  # clips


class Coder:
    """Turns audio into tokens.

    Args:
        codec: trained; its encoder and codebooks do not change any more.
    """

    def __init__(self, codec: FrameCodec) -> None:
        self.codec = codec.eval()
        self.codebooks, self.size, _ = codec.embed.shape

    @property
    def special(self) -> int:
        """The token that stands where the delay pattern has no frame."""
        return self.size

    @torch.inference_mode()
    def code(self, audio: Tensor) -> Tensor:
        """Audio (B, N) -> tokens (B, K, T)."""
        parts = [
            self.codec.quantize(self.codec.encode(part))[1].transpose(0, 1)
            for part in audio.split(MOST_AT_ONCE)
        ]
        return torch.cat(parts).clone()


def load_codec(path: Path) -> FrameCodec:
    """Read a codec that was trained.

    Raises:
        FileNotFoundError: there is none.
    """
    state = load_checkpoint(path)
    if state is None:
        raise FileNotFoundError(f"{path} is not there; run the codec stage first")
    codec = FrameCodec(**state["shape"])
    codec.load_state_dict(state["codec"])
    return codec.eval().requires_grad_(False)
