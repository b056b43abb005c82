"""EnCodec in pieces: audio to codes and back, exactly, in memory that does not grow with duration.

Runs the networks of `encodec` piece by piece. Their convolutions see a few frames to either side,
so a piece is computed with that much context and cropped; their LSTMs remember everything, so
their state is carried on. Joined pieces equal the whole.

Shapes: C audio channels, N samples, K codebooks (all channels together), T frames, B = C rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from songloom.errors import ModelError
from songloom.models.encodec import LSTM, Codes, Decoder, Encodec, LSTMState

_MUSICGEN = {
    "norm_type": "weight_norm",
    "normalize": False,
    "audio_channels": 1,
    "use_causal_conv": False,
}
PIECE_SECONDS = 10.0
"""Length of the pieces in which a whole is encoded or decoded."""


class Codec:
    """Audio (C, N) to codes (K, T) and back.

    Stereo is coded as two mono signals whose codebooks are interleaved: L0 R0 L1 R1 ...
    """

    def __init__(self, encodec: Encodec, channels: int = 1) -> None:
        config = encodec.config
        for name, expected in _MUSICGEN.items():
            found = getattr(config, name)
            if found != expected:
                raise ModelError(
                    f"the codec has {name}={found!r}, but {expected!r} was expected, as in "
                    "MusicGen's EnCodec; use a MusicGen checkpoint's own codec"
                )
        self.encodec = encodec.eval()
        self.channels = channels
        self.sample_rate: int = config.sampling_rate
        self.hop: int = config.hop
        self.num_codebooks: int = config.num_quantizers * channels
        self.codebook_size: int = config.codebook_size

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        parameter = next(self.encodec.parameters())
        return parameter.device

    @property
    def _codebooks(self) -> Iterable[Codes]:
        return cast("Iterable[Codes]", self.encodec.quantizer.layers)

    def fingerprint(self) -> str:
        """Digest of what decides which codes a sound gets; ask before the weight norm is folded."""
        state = self.encodec.state_dict()
        if not any("parametrizations" in name for name in state):
            raise RuntimeError("the weight norm is folded, which changes the last bits of weights")
        digest = hashlib.sha256(f"{self.channels} channels".encode())
        for name in sorted(state):
            if name.startswith("encoder.") or name.endswith(".codebook.embed"):
                digest.update(name.encode())
                digest.update(state[name].float().cpu().contiguous().numpy())
        return digest.hexdigest()

    def copy_decoder(self) -> Decoder:
        """A copy of the decoder; ask before the weight norm is folded.

        Made anew: PyTorch gives each weight-normed layer a class of its own, which copies share, so
        that folding one of them would break the others.
        """
        own = self.encodec.decoder
        with torch.random.fork_rng(devices=[]):
            decoder = Decoder(self.encodec.config)
        decoder.load_state_dict(own.state_dict())
        return decoder.to(self.device).eval().requires_grad_(False)

    def with_decoder(self, decoder: Decoder) -> Codec:
        """A codec with another decoder, that shares all else with this one."""
        return Codec(self.encodec.with_decoder(decoder), self.channels)

    def fold_weight_norm(self) -> None:
        """Multiply the weight norms out once, instead of at every call; for inference only.

        Layers that are folded already stay so.
        """
        for module in self.encodec.modules():
            if torch.nn.utils.parametrize.is_parametrized(module, "weight"):
                torch.nn.utils.parametrize.remove_parametrizations(module, "weight")

    def encode(self, samples: Tensor) -> Tensor:
        """Samples (C, N) at `sample_rate` -> codes (K, T), T = N / hop, rounded up."""
        piece = int(PIECE_SECONDS * self.frame_rate) * self.hop
        return torch.cat(list(self.encode_stream(torch.split(samples, piece, dim=-1))), dim=-1)

    def encode_stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Samples (C, n) as they come -> codes (K, t), a few frames behind them."""
        encoder = StreamingEncoder(self)
        for piece in pieces:
            codes = encoder.push(piece)
            if codes.shape[-1]:
                yield codes
        yield encoder.finish()

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (K, T) -> samples (C, T * hop)."""
        pieces = torch.split(codes, int(PIECE_SECONDS * self.frame_rate), dim=-1)
        return torch.cat(list(self.decode_stream(pieces)), dim=-1)

    def decode_stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Codes (K, t) as they come -> samples (C, n), a few frames behind them."""
        decoder = StreamingDecoder(self)
        for piece in pieces:
            samples = decoder.push(piece)
            if samples.shape[-1]:
                yield samples
        yield decoder.finish()

    def latents(self, codes: Tensor) -> Tensor:
        """Codes (K, T) -> quantised latents (C, hidden, T)."""
        channels = codes.view(-1, self.channels, codes.shape[-1])  # (K / C, C, T)
        vectors = [layer.decode(c) for layer, c in zip(self._codebooks, channels, strict=True)]
        return torch.stack(vectors).sum(dim=0)

    def quantize(self, latents: Tensor) -> Tensor:
        """Latents (C, hidden, T) -> codes (K, T): each codebook codes what the last one left."""
        residual, codes = latents, []
        for layer in self._codebooks:
            indices = layer.encode(residual)
            residual = residual - layer.decode(indices)
            codes.append(indices)
        return torch.stack(codes).flatten(0, 1)


class StreamingDecoder:
    """Decodes codes as they come; what it returns, joined, is what decoding the whole gives."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        decoder, config = codec.encodec.decoder, codec.encodec.config
        before, lstm, after = _split_at_lstm(decoder.layers)
        self._network = _Network(
            _Pieces(before, config.kernel_size // 2, 1, 1),
            lstm,
            _Pieces(after, _context_frames(codec), 1, codec.hop),
        )

    def push(self, codes: Tensor) -> Tensor:
        """Codes (K, t) -> the samples (C, n) that they complete; n may be 0."""
        return self._run(self._codec.latents(codes.to(self._codec.device)), last=False)

    def finish(self) -> Tensor:
        """The samples (C, n) still owed."""
        return self._run(None, last=True)

    @torch.inference_mode()
    def _run(self, latents: Tensor | None, last: bool) -> Tensor:
        samples = self._network.push(latents, last)
        if samples is None:
            return torch.zeros(self._codec.channels, 0, device=self._codec.device)
        return samples[:, 0]


class StreamingEncoder:
    """Encodes samples as they come; what it returns, joined, is what encoding the whole gives."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        encoder, config = codec.encodec.encoder, codec.encodec.config
        before, lstm, after = _split_at_lstm(encoder.layers)
        self._network = _Network(
            _Pieces(before, _context_frames(codec), codec.hop, 1),
            lstm,
            _Pieces(after, config.last_kernel_size // 2, 1, 1),
        )

    def push(self, samples: Tensor) -> Tensor:
        """Samples (C, n) -> the codes (K, t) that they complete; t may be 0."""
        return self._run(samples[:, None].to(self._codec.device), last=False)

    def finish(self) -> Tensor:
        """The codes (K, t) still owed."""
        return self._run(None, last=True)

    @torch.inference_mode()
    def _run(self, samples: Tensor | None, last: bool) -> Tensor:
        codec = self._codec
        latents = self._network.push(samples, last)
        if latents is None:
            return torch.zeros(codec.num_codebooks, 0, dtype=torch.long, device=codec.device)
        return codec.quantize(latents)


class _Network:
    """Layers of limited reach around an LSTM, piece by piece."""

    def __init__(self, before: _Pieces, lstm: LSTM, after: _Pieces) -> None:
        self._before, self._lstm, self._after = before, lstm, after
        self._state: LSTMState | None = None

    def push(self, x: Tensor | None, last: bool) -> Tensor | None:
        """Input (B, D, n) -> the output frames that are certain now; None where there are none."""
        x = self._before.push(x, last)
        if x is not None:
            x, self._state = self._lstm.run(x, self._state)
        return self._after.push(x, last)


class _Pieces:
    """Runs layers of limited reach over a growing sequence, giving what the whole would give.

    Lengths are counted in frames; a frame is `steps_in` steps of the input and `steps_out` of the
    output. `reach` frames to either side are enough to compute a frame.
    """

    def __init__(
        self, layers: Callable[[Tensor], Tensor], reach: int, steps_in: int, steps_out: int
    ) -> None:
        self._layers, self._reach = layers, reach
        self._in, self._out = steps_in, steps_out
        self._buffer: Tensor | None = None
        self._start = 0  # frame at which the buffer begins
        self._done = 0  # frames given out

    def push(self, x: Tensor | None, last: bool) -> Tensor | None:
        """Input (B, D, n) -> the output frames that are certain now; None where there are none."""
        if x is not None:
            self._buffer = x if self._buffer is None else torch.cat([self._buffer, x], dim=-1)
        if self._buffer is None:
            return None
        steps = self._buffer.shape[-1]
        # Only the last frame of all may be a part of one.
        frames = -(-steps // self._in) if last else steps // self._in - self._reach
        certain = self._start + frames
        if certain <= self._done:
            return None
        y = self._layers(self._buffer)
        first = (self._done - self._start) * self._out
        end = (certain - self._start) * self._out
        self._done = certain
        keep = max(self._start, self._done - self._reach)
        self._buffer = self._buffer[..., (keep - self._start) * self._in :]
        self._start = keep
        return y[..., first:end]


def _split_at_lstm(layers: nn.ModuleList) -> tuple[nn.Sequential, LSTM, nn.Sequential]:
    """The layers before the LSTM, the LSTM, the layers after it."""
    ((at, lstm),) = ((i, layer) for i, layer in enumerate(layers) if isinstance(layer, LSTM))
    return nn.Sequential(*layers[:at]), lstm, nn.Sequential(*layers[at + 1 :])


def _context_frames(codec: Codec) -> int:
    """Frames that the strided convolutions reach to one side, rounded up generously."""
    config = codec.encodec.config
    samples, stride = float(config.last_kernel_size + config.kernel_size), 1
    for ratio in reversed(config.upsampling_ratios):
        for layer in range(config.num_residual_layers):
            samples += stride * config.residual_kernel_size * config.dilation_growth_rate**layer
        samples += stride * 2 * ratio
        stride *= ratio
    return int(samples // codec.hop) + 1
