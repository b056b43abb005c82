"""The network that is trained: EnCodec's layers, where those at high rates are one linear map.

Only what runs at the frame rate bends: an LSTM with a skip connection and an ELU on either side of
the codebooks. So a second of audio costs some hundred million operations, and training runs many
times faster than with convolutions at the sample rate. `export` writes the same function as an
EnCodec.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.nano.codec.fit import find_nearest
from recipes.nano.codec.lapped import SPAN, overlap_frames, split_frames

LIFT = 2.0  # ELUs leave alone what is above zero, so signals around zero are lifted through them


@dataclass(frozen=True)
class Coded:
    """What `FrameCodec.forward` gives."""

    audio: Tensor
    """(B, N) reconstruction."""
    quantized: Tensor
    """(B, T, D)."""
    codes: Tensor
    """(K, B, T)."""


class FrameCodec(nn.Module):
    """Audio to codes to audio.

    Args:
        width: channels at the frame rate.
        latent: D, the width of codes' vectors.
        codebooks: K.
        size: codes of each codebook.
        kernel: frames that the convolutions beside the codebooks see; odd.
        lifted: the encoder's first channels, which hold signals around zero; the others are cells
            whose gains are too high to be lifted.
    """

    embed: Tensor
    encoder_lift: Tensor

    def __init__(
        self, width: int, latent: int, codebooks: int, size: int, kernel: int, lifted: int
    ) -> None:
        super().__init__()
        lift = torch.zeros(width)
        lift[:lifted] = LIFT
        self.register_buffer("encoder_lift", lift, persistent=False)
        self.analysis = nn.Linear(SPAN, width)
        self.encoder_lstm = nn.LSTM(width, width, batch_first=True)
        self.to_latents = nn.Conv1d(
            width, latent, kernel, padding=kernel // 2, padding_mode="reflect"
        )
        self.from_latents = nn.Conv1d(
            latent, width, kernel, padding=kernel // 2, padding_mode="reflect"
        )
        self.decoder_lstm = nn.LSTM(width, width, batch_first=True)
        self.synthesis = nn.Linear(width, SPAN, bias=False)
        self.register_buffer("embed", torch.zeros(codebooks, size, latent))

    def encode(self, audio: Tensor) -> Tensor:
        """Audio (B, N) -> latents (B, T, D); N is a multiple of HOP."""
        x = self.analysis(split_frames(audio))
        x = bend(x + self.encoder_lstm(x)[0], self.encoder_lift)
        latents: Tensor = self.to_latents(x.transpose(1, 2)).transpose(1, 2)
        return latents

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (B, T, D) -> the sum of the codes' vectors (B, T, D), and codes (K, B, T)."""
        rest, total, chosen = latents, torch.zeros_like(latents), []
        for vectors in self.embed:
            codes = find_nearest(rest.flatten(0, 1), vectors).view(rest.shape[:2])
            found = F.embedding(codes, vectors)
            total, rest = total + found, rest - found
            chosen.append(codes)
        return total, torch.stack(chosen)

    def decode(self, quantized: Tensor) -> Tensor:
        """Vectors (B, T, D) -> audio (B, N)."""
        x = self.from_latents(quantized.transpose(1, 2)).transpose(1, 2)
        x = bend(x + self.decoder_lstm(x)[0], LIFT)
        return overlap_frames(self.synthesis(x))

    def forward(self, audio: Tensor) -> Coded:
        """Audio (B, N) through the codes; gradients pass the codebooks straight."""
        latents = self.encode(audio)
        quantized, codes = self.quantize(latents.detach())
        decoded = self.decode(latents + (quantized - latents).detach())
        return Coded(decoded, quantized, codes)


def bend(x: Tensor, lift: Tensor | float) -> Tensor:
    """An ELU around -lift: with a lift nearly everything passes as it is."""
    return F.elu(x + lift) - lift
