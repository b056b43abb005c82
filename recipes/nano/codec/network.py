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
DECAY = 0.998  # of the codebooks' running sums
DEAD = 0.02  # codes that are used less often a step are replaced


@dataclass(frozen=True)
class Coded:
    """What `FrameCodec.forward` gives."""

    audio: Tensor
    """(B, N) reconstruction."""
    latents: Tensor
    """(B, T, D) before quantizing."""
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
    embed_sum: Tensor
    usage: Tensor
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
        self.register_buffer("embed_sum", torch.zeros(codebooks, size, latent))
        self.register_buffer("usage", torch.ones(codebooks, size))

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
        return Coded(decoded, latents, quantized, codes)

    @torch.no_grad()
    def update_codebooks(self, latents: Tensor, codes: Tensor) -> None:
        """Move codes to the mean of what they stood for lately; replace those that are dead.

        Source: "Neural Discrete Representation Learning" (van den Oord et al., 2017), appendix A.
        """
        rest = latents.detach().flatten(0, 1)
        for vectors, sums, usage, chosen in zip(
            self.embed, self.embed_sum, self.usage, codes.flatten(1), strict=True
        ):
            counts = torch.bincount(chosen, minlength=len(vectors)).float()
            found = F.embedding(chosen, vectors)
            usage.lerp_(counts, 1 - DECAY)
            sums.lerp_(torch.zeros_like(sums).index_add_(0, chosen, rest), 1 - DECAY)
            dead = usage < DEAD
            if dead.any():
                others = rest[torch.randint(len(rest), (int(dead.sum()),))]
                usage[dead] = 10 * DEAD
                sums[dead] = 10 * DEAD * others
            vectors.copy_(sums / usage[:, None])
            rest = rest - found


def bend(x: Tensor, lift: Tensor | float) -> Tensor:
    """An ELU around -lift: with a lift nearly everything passes as it is."""
    return F.elu(x + lift) - lift
