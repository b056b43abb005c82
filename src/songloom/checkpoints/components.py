"""The parts of a model, once its files are read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from songloom.checkpoints.sources import ModelSource
from songloom.errors import ModelError, RequestError
from songloom.models.codec import Codec
from songloom.models.diffusion import MultiBandDiffusion
from songloom.models.lm import LM
from songloom.models.text import TextEncoder


@dataclass(frozen=True)
class ModelInfo:
    """Facts about a loaded model."""

    name: str
    """As it was asked for: a known name, a hub id, or a path."""
    path: Path
    """The folder or file that was read."""
    licence: str
    channels: int
    """1 or 2 audio channels."""
    sample_rate: int
    """Hz."""
    frame_rate: float
    """Token frames per second."""
    melody: bool
    """Whether it can follow a melody."""
    window_seconds: float
    """The longest stretch that the language model has learned to see at once."""
    parameters: int
    """Weights of the language model."""
    base: str = ""
    """The model that an adapter was merged into, as it was asked for; empty where none was."""
    adapter: Path | None = None
    """The folder of that adapter; `path` is then the base's."""


class LazyTextEncoder:
    """A text encoder whose files are looked for only when the first text comes.

    The reference library's checkpoints do not hold theirs: without it the language model can still
    be used with states computed elsewhere, and nothing is downloaded before it is needed.
    """

    def __init__(
        self, width: int, find: Callable[[], Path], read: Callable[[Path], TextEncoder]
    ) -> None:
        self.width = width
        """Width of the states that the language model expects."""
        self._find, self._read = find, read
        self._encoder: TextEncoder | None = None
        self._lock = threading.Lock()

    def folder(self) -> Path:
        """The folder of the text encoder, downloaded if need be.

        Raises:
            ModelError: it can't be had.
        """
        return self._find()

    def encoder(self) -> TextEncoder:
        """The text encoder itself, read at the first call.

        Raises:
            ModelError: it can't be had, or its states have another width.
        """
        with self._lock:
            if self._encoder is None:
                folder = self._find()
                encoder = self._read(folder)
                if encoder.width != self.width:
                    raise ModelError(
                        f"the text encoder in {folder} gives states of width {encoder.width}, but "
                        f"the language model expects {self.width}; put the right one into a "
                        "folder text_encoder beside the model's files"
                    )
                self._encoder = encoder
            return self._encoder

    def __call__(self, text: str) -> Tensor:
        """Text -> states (1, E, width), E tokens with the closing one."""
        return self.encoder()(text)

    def count_unread(self, text: str) -> int:
        """Characters at the end of a text that are not read, since it has too many tokens."""
        return self.encoder().count_unread(text)


class LazyDiffusion:
    """A second decoder, whose weights are fetched and read only when the first request wants it."""

    def __init__(
        self,
        codec: Codec,
        find: Callable[[], Path],
        read: Callable[[Path, torch.device], MultiBandDiffusion],
        *,
        own: bool,
    ) -> None:
        self.own = own
        """Whether it lies in the model's folder, so that it belongs to that model alone."""
        self._codec, self._find, self._read = codec, find, read
        self._decoder: MultiBandDiffusion | None = None
        self._lock = threading.Lock()

    def decoder(self) -> MultiBandDiffusion:
        """The decoder itself, fetched and read at the first call.

        Raises:
            ModelError: it can't be had, or was made for another codec.
        """
        with self._lock:
            if self._decoder is None:
                path, codec = self._find(), self._codec
                decoder = self._read(path, codec.device)
                found = (decoder.sample_rate, decoder.condition_size)
                expected = (codec.sample_rate, codec.encodec.config.hidden_size)
                if found != expected:
                    raise ModelError(
                        f"{path} holds diffusion weights for a codec of {found[0]} Hz with latents "
                        f"of {found[1]}, but the model's has {expected[0]} Hz and {expected[1]}; "
                        "use those that were trained for this codec"
                    )
                decoder.prepare_for_inference()
                self._decoder = decoder
            return self._decoder

    def as_stored(self) -> MultiBandDiffusion:
        """The decoder as its file has it, on the CPU, to be written elsewhere.

        Raises:
            ModelError: it can't be had.
        """
        return self._read(self._find(), torch.device("cpu"))


@dataclass(frozen=True)
class Components:
    """The networks of one model, in evaluation mode, and what is known about it."""

    lm: LM
    codec: Codec
    text: TextEncoder | LazyTextEncoder
    info: ModelInfo
    diffusion: LazyDiffusion | None = None
    """The second decoder; None where none fits the codec."""
    source: ModelSource | None = None
    """The source that they were read from, if known."""

    def diffusion_decoder(self) -> MultiBandDiffusion:
        """The second decoder itself, fetched and read at the first call.

        Raises:
            RequestError: there is none.
            ModelError: it can't be fetched or read, or was made for another codec.
        """
        if self.diffusion is None:
            path = self.info.path
            folder = path.parent if path.is_file() else path
            raise RequestError(
                f"multi_band_diffusion is on, but the model {self.info.name!r} has no diffusion "
                "weights; leave it off to decode with the codec, use a model with MusicGen's own "
                "codec (small, medium, large, melody, ...), or put weights that were trained for "
                f"this codec into {folder / 'diffusion'}"
            )
        return self.diffusion.decoder()
