"""From the codes of finished pieces to their audio, by the codec or by multi-band diffusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from songloom.checkpoints.components import Components
from songloom.generation.prepare import Piece
from songloom.models.codec import Codec
from songloom.progress import DiffusionProgress, ProgressCallback


class Decoding:
    """Decodes the pieces of one call, each as its request asks.

    Args:
        pieces: all that are going to be decoded, so that progress can be told of their sum.
        components: the model.
        codec_of: the codec of the adapter that a piece is decoded with.
        on_event: called with `DiffusionProgress`; the codec is too fast to tell of.
        cancelled: asked after every estimate of a diffusion network.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        components: Components,
        codec_of: Callable[[str | None], Codec],
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._components, self._codec_of = components, codec_of
        self._on_event, self._cancelled = on_event, cancelled
        self._done = 0.0
        self._total = sum(self._seconds(p) for p in pieces if p.request.multi_band_diffusion)

    def audio(self, piece: Piece) -> Tensor:
        """The audio (C, samples) of a piece whose codes are complete.

        Raises:
            Cancelled: the caller said so.
        """
        codec = self._codec_of(piece.adapter)
        if not piece.request.multi_band_diffusion:
            return codec.decode(piece.codes).cpu()[:, : piece.samples]
        before, seconds = self._done, self._seconds(piece)

        def report(part: float) -> None:
            self._done = before + part * seconds
            if self._on_event is not None:
                self._on_event(DiffusionProgress(self._done, self._total))

        decoder = self._components.diffusion_decoder()
        audio = decoder.decode(codec, piece.codes, piece.seed, report, self._cancelled)
        return audio.cpu()[:, : piece.samples]

    def _seconds(self, piece: Piece) -> float:
        return piece.samples / self._components.codec.sample_rate
