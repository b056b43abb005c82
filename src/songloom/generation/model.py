"""A model ready to make music: the public face of generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

import torch

from songloom.checkpoints.components import Components, ModelInfo
from songloom.checkpoints.load import load_adapter, load_components, load_tuned_codec
from songloom.errors import Cancelled, RequestError
from songloom.generation.batch import Batch
from songloom.generation.decoding import Decoding
from songloom.generation.inputs import InputAudio, InputFormat
from songloom.generation.precision import (
    DType,
    limited_threads,
    packs,
    prepare_for_inference,
    resolve_device,
    resolve_dtype,
    threads_for,
)
from songloom.generation.prepare import Piece, input_format, prepare
from songloom.generation.track import Track
from songloom.models.adapter_bank import AdapterBank
from songloom.models.codec import Codec, StreamingDecoder
from songloom.progress import GenerationProgress, Notice, ProgressCallback
from songloom.request import GenerationRequest

if TYPE_CHECKING:
    from torch import Tensor

STREAM_SECONDS = 1.0
"""Least length of the chunks that `Model.stream` gives, the last one excepted."""


def load(
    name_or_path: str | Path = "nano",
    *,
    device: str = "auto",
    dtype: DType = "auto",
    base: str | Path | None = None,
    on_event: ProgressCallback | None = None,
) -> Model:
    """Load a model, downloading it where it is not on this machine yet.

    Args:
        name_or_path: a name that `songloom models` lists, a hub id, or a folder or file in a
            layout that songloom reads. An adapter is merged into its base.
        device: "auto" (CUDA where there is one), or a torch device such as "cpu" or "cuda:1".
        dtype: precision of the language model's weights; "auto" takes the fastest that keeps
            logits within 2e-3 of float32, which on a CPU is measured once for each shape of large
            models, and kept in SONGLOOM_HOME.
        base: the model that an adapter is merged into, in place of the one that it names; or the
            model that gives what a fine-tune's file lacks (codec, text encoder), which else are
            looked for beside the file, then on the hub.
        on_event: called with `DownloadProgress`.

    Raises:
        ModelError: the model is unknown, cannot be fetched, or its files are broken.
    """
    where = resolve_device(device)
    asked = resolve_dtype(dtype, where)
    # Weights that are packed stay as they are in the file until then: it takes less memory.
    as_read = None if asked is None or packs(where, asked) else asked
    components = load_components(
        name_or_path, device=where, dtype=as_read, base=base, on_event=on_event
    )
    precision = prepare_for_inference(components.lm, where, asked)
    components.codec.fold_weight_norm()
    return Model(components, precision)


class Model:
    """Makes tracks from requests. Calls are independent; one at a time in a process.

    A server that gets requests one by one prepares each (`piece`), lets them join and leave an open
    batch (`open_batch`), and makes tracks of those that are done (`track`).
    """

    def __init__(self, components: Components, dtype: torch.dtype) -> None:
        self._components = components
        self._adapters = AdapterBank(components.lm)
        self._tuned_codecs: dict[str, Codec] = {}
        self._threads = threads_for(components.lm, rows=1)
        self.dtype = dtype
        """Precision of the language model's weights."""

    @property
    def info(self) -> ModelInfo:
        """Name, licence, channels, rates and the like."""
        return self._components.info

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the attached adapters."""
        return self._adapters.names

    def add_adapter(
        self,
        name_or_path: str | Path,
        name: str | None = None,
        *,
        any_base: bool = False,
        on_event: ProgressCallback | None = None,
    ) -> str:
        """Attach an adapter, which requests can then be decoded with; the model's memory is shared.

        Requests with different adapters, or with none, are decoded together; none of them changes
        another, and each sounds by the decoder that was tuned with its adapter, if one was. A
        model with a single adapter for all requests is faster when it is loaded by the
        adapter's own name, for then the adapter is merged into it.

        Args:
            name_or_path: a trained model's name, or the folder or hub id of an adapter.
            name: what to call it; its own name by default.
            any_base: take it although it was trained on a model with other weights, with which it
                sounds different.
            on_event: called with a `Notice` where something about its base is worth knowing.

        Returns:
            The name, for `generate` and `stream`.

        Raises:
            BaseChangedError: it was trained on a model with other weights.
            ModelError: that is no adapter, it cannot be read, was made for another model, or has
                the name of one that is attached already.
        """
        adapter = load_adapter(name_or_path, self._components, on_event, any_base=any_base)
        name = name or Path(name_or_path).name or adapter.name
        codec = load_tuned_codec(adapter.path, self._components)
        self._adapters.add(name, adapter.tensors, adapter.config.scale)
        if codec is not None:
            self._tuned_codecs[name] = codec
        return name

    def remove_adapter(self, name: str) -> None:
        """Detach an adapter, which nothing may be decoded with at the time.

        Raises:
            ModelError: none of that name is attached.
        """
        self._adapters.remove(name)
        self._tuned_codecs.pop(name, None)

    @overload
    def generate(
        self,
        requests: GenerationRequest,
        *,
        adapters: str | None = None,
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Track: ...

    @overload
    def generate(
        self,
        requests: Sequence[GenerationRequest],
        *,
        adapters: str | Sequence[str | None] | None = None,
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Track]: ...

    def generate(
        self,
        requests: GenerationRequest | Sequence[GenerationRequest],
        *,
        adapters: str | Sequence[str | None] | None = None,
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Track | list[Track]:
        """Make a track of each request; several are decoded together, without changing any.

        Args:
            requests: one request, or several of any mixture of lengths and settings.
            adapters: the attached adapter for all of them, or one, or None, for each.
            on_event: called with `Notice` where a prompt is not read to its end, with
                `GenerationProgress` as the work goes on, then, where a request asks for multi-band
                diffusion, with `DiffusionProgress`.
            cancelled: asked every few steps; once it says True, the call raises `Cancelled`.

        Raises:
            RequestError: a request does not fit the model or its audio; nothing is generated then.
            AudioError: an input file cannot be read.
            ModelError: diffusion weights that a request asks for can't be had.
            Cancelled: see `cancelled`.
        """
        several = [requests] if isinstance(requests, GenerationRequest) else requests
        chosen = self._chosen(adapters, len(several))
        with limited_threads(self._threads):
            pieces = [
                prepare(request, self._components, adapter)
                for request, adapter in zip(several, chosen, strict=True)
            ]
            _tell_notices(pieces, on_event)
            batch = Batch.from_pieces(pieces, self._components, self._adapters)
            while not batch.empty:
                _check_cancelled(cancelled)
                batch.advance()
                self._report(pieces, on_event)
        decoding = Decoding(pieces, self._components, self._codec_of, on_event, cancelled)
        tracks = [self._track(piece, decoding) for piece in pieces]
        return tracks[0] if isinstance(requests, GenerationRequest) else tracks

    def stream(
        self,
        request: GenerationRequest,
        *,
        adapter: str | None = None,
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Tensor]:
        """Audio chunks (C, n) while they are generated; joined, they are `Track.audio`.

        Chunks are as decoded: normalisation needs the whole. Diffusion does too, so with
        `multi_band_diffusion` there is one chunk, at the end. Arguments and errors are those of
        `generate`; the request is checked at the call, before the first chunk is asked for.
        """
        piece = self.piece(request, adapter)
        _tell_notices([piece], on_event)
        return self._stream(piece, on_event, cancelled)

    @property
    def input_format(self) -> InputFormat:
        """The audio that it takes, for `read_inputs`."""
        return input_format(self._components)

    def piece(
        self,
        request: GenerationRequest,
        adapter: str | None = None,
        inputs: InputAudio | None = None,
    ) -> Piece:
        """Read a request's audio and encode its conditions, ready to join a batch.

        Args:
            request: to be turned into music.
            adapter: the attached adapter that it is decoded with.
            inputs: its audio, where that was read elsewhere.

        Raises:
            RequestError: the request does not fit the model or its audio.
            AudioError: an input file cannot be read.
            ModelError: the diffusion weights that it asks for can't be had.
        """
        [chosen] = self._chosen(adapter, 1)
        with limited_threads(self._threads):
            return prepare(request, self._components, chosen, inputs)

    def open_batch(self, requests: int) -> Batch:
        """A batch that up to so many pieces may be in at once, and that others can join later."""
        return Batch(self._components, self._adapters, rows=2 * requests)

    def decoder(self, adapter: str | None = None) -> StreamingDecoder:
        """Decodes a piece's codes as they come; joined, the chunks are `Track.audio`.

        Args:
            adapter: that the piece is decoded with: a decoder may have been tuned with it.
        """
        return StreamingDecoder(self._codec_of(adapter))

    def _codec_of(self, adapter: str | None) -> Codec:
        """The codec whose decoder belongs to an adapter, or to the model alone."""
        own = self._components.codec
        return own if adapter is None else self._tuned_codecs.get(adapter, own)

    def track(
        self,
        piece: Piece,
        *,
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Track:
        """The track of a piece that is done; what takes long is multi-band diffusion alone.

        Args:
            piece: whose codes are complete.
            on_event: called with `DiffusionProgress`.
            cancelled: asked after each estimate of a diffusion network.

        Raises:
            Cancelled: see `cancelled`.
        """
        decoding = Decoding([piece], self._components, self._codec_of, on_event, cancelled)
        return self._track(piece, decoding)

    def _track(self, piece: Piece, decoding: Decoding) -> Track:
        with limited_threads(self._threads):
            audio = decoding.audio(piece)
        made_by = piece.adapter or self.info.name
        rate = self.info.sample_rate
        return Track(audio, rate, piece.codes, piece.seed, piece.request, made_by)

    def _chosen(
        self, adapters: str | Sequence[str | None] | None, requests: int
    ) -> list[str | None]:
        """The adapter of each request."""
        each = [adapters] * requests if adapters is None or isinstance(adapters, str) else adapters
        if len(each) != requests:
            raise RequestError(
                f"adapters names {len(each)} for {requests} requests; expected one for each, or "
                "None where there is none"
            )
        for name in each:
            if name is not None and name not in self.adapters:
                attached = ", ".join(map(repr, self.adapters)) or "none"
                raise RequestError(
                    f"adapter is {name!r}, but attached to {self.info.name!r} are: {attached}; "
                    "attach it with add_adapter first"
                )
        return list(each)

    def _stream(
        self,
        piece: Piece,
        on_event: ProgressCallback | None,
        cancelled: Callable[[], bool] | None,
    ) -> Iterator[Tensor]:
        decoder = self.decoder(piece.adapter)
        least = round(STREAM_SECONDS * self._components.codec.frame_rate)
        needs_whole = piece.request.multi_band_diffusion
        decoded = 0
        left = piece.samples
        batch = Batch.from_pieces([piece], self._components, self._adapters)
        while not batch.empty:
            _check_cancelled(cancelled)
            batch.advance()
            self._report([piece], on_event)
            enough = piece.done - decoded >= least or piece.done == piece.frames
            if needs_whole or not enough:
                continue
            with limited_threads(self._threads):
                chunk = decoder.push(piece.codes[:, decoded : piece.done]).cpu()[:, :left]
            decoded = piece.done
            left -= chunk.shape[-1]
            if chunk.shape[-1]:
                yield chunk
        if needs_whole:
            yield self.track(piece, on_event=on_event, cancelled=cancelled).audio
            return
        with limited_threads(self._threads):
            rest = decoder.finish().cpu()[:, :left]
        if rest.shape[-1]:
            yield rest

    def _report(self, pieces: Sequence[Piece], on_event: ProgressCallback | None) -> None:
        if on_event is not None:
            rate = self.info.frame_rate
            done = sum(piece.done - piece.prompt_frames for piece in pieces) / rate
            total = sum(piece.frames - piece.prompt_frames for piece in pieces) / rate
            on_event(GenerationProgress(seconds_done=done, seconds_total=total))


def _check_cancelled(cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("the generation was cancelled")


def _tell_notices(pieces: Sequence[Piece], on_event: ProgressCallback | None) -> None:
    """Pass on, once each, what people should know of how their requests were taken."""
    if on_event is not None:
        for text in dict.fromkeys(notice for piece in pieces for notice in piece.notices):
            on_event(Notice(text))
