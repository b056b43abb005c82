"""The recordings that a request names, as a model takes them; no network is needed for it.

Of a long recording only the part that is used is read: the clip that is continued, and as much of
a melody as the piece has room for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from songloom.audio.files import Audio, read_seconds, stream_audio
from songloom.audio.stems import MARGIN_SECONDS, separate
from songloom.audio.transforms import convert, convert_stream
from songloom.errors import RequestError, TooShortError
from songloom.generation.windows import windows
from songloom.request import GenerationRequest

STRIDE = 0.6
"""Part of the window by which it moves on in long pieces: 18 s of 30 s, as in the reference."""
MELODY_RATE = 96_000
"""Hz above which a melody is resampled before it is separated: nothing up there is sung."""


@dataclass(frozen=True)
class InputFormat:
    """Facts about a model that decide which audio it takes; plain values."""

    model: str
    """Its name, for errors."""
    sample_rate: int
    """Hz."""
    channels: int
    """1 or 2, of the audio that it continues."""
    hop: int
    """Samples of a frame."""
    frame_rate: float
    """Frames a second."""
    window_seconds: float
    """The longest stretch that it sees at once."""
    melody: bool
    """Whether it can follow one."""

    @property
    def window_frames(self) -> int:
        """Frames of the longest stretch."""
        return round(self.window_seconds * self.frame_rate)

    @property
    def stride_frames(self) -> int:
        """Frames by which the window moves on in long pieces."""
        return round(self.window_frames * STRIDE)

    def count_frames(self, seconds: float) -> int:
        """Frames of a piece; a part of a frame takes a whole one."""
        # 0.1 s at 50 frames a second is 5, whatever floats say.
        return max(1, math.ceil(seconds * self.frame_rate - 1e-6))


@dataclass(frozen=True, eq=False)
class InputAudio:
    """A request's recordings, read and converted."""

    clip: Tensor | None = None
    """(C, N) to be continued, whole frames at the model's rate."""
    melody: Tensor | None = None
    """(1, N) to be followed, at the model's rate."""


def read_inputs(request: GenerationRequest, format: InputFormat) -> InputAudio:
    """Read the recordings of a request.

    Raises:
        RequestError: the request does not fit the model or its audio.
        AudioError: the audio cannot be read.
    """
    clip = _read_clip(request, format)
    known = 0 if clip is None else clip.shape[1] // format.hop
    return InputAudio(clip, _read_melody(request, format, known))


def _read_clip(request: GenerationRequest, format: InputFormat) -> Tensor | None:
    """The clip (C, N) that is continued."""
    path = request.input_audio
    if not request.continuation or path is None:
        return None
    start, end = request.continuation_start, request.continuation_end
    # A clip must be shorter than the piece: what is as long is too long, however long it is.
    enough = start + request.duration + 2 / format.frame_rate
    last = enough if end is None else min(end, enough)
    try:
        pieces = _Counted(stream_audio(path, start=start, end=last))
        converted = list(convert_stream(pieces, format.sample_rate, format.channels))
    except TooShortError as error:
        raise RequestError(
            f"continuation_start is {start:g} s, but {path} is only {error.seconds:.2f} s long; "
            "expected a start before its end"
        ) from None
    samples = torch.cat(converted, dim=1)
    if end is not None and pieces.ends_before(end - start):
        raise RequestError(
            f"continuation_end is {end:g} s, but {path} is only {start + pieces.seconds:.2f} s "
            "long; expected an end within it, or none for the end of the file"
        )
    whole = samples.shape[-1] // format.hop * format.hop
    if whole == 0:
        shown = start + pieces.seconds if end is None else end
        raise RequestError(
            f"the clip of {path} from {start:g} s to {shown:g} s is shorter than a frame "
            f"({1 / format.frame_rate:g} s); expected something to continue: widen it"
        )
    if whole // format.hop >= format.count_frames(request.duration):
        longest = max(pieces.seconds, (end or read_seconds(path) or 0.0) - start)
        raise RequestError(
            f"duration is {request.duration:g} s, but the clip that is continued is "
            f"{longest:.2f} s long already; expected a duration above that "
            "(it includes the clip): raise it, or set continuation_end"
        )
    return samples[:, :whole]


class _Counted:
    """Pieces of a recording, whose length is known once they have come."""

    def __init__(self, pieces: Iterator[Audio]) -> None:
        self._pieces = pieces
        self._length, self._sample_rate = 0, 1

    def __iter__(self) -> Iterator[Audio]:
        for piece in self._pieces:
            self._length += piece.samples.shape[1]
            self._sample_rate = piece.sample_rate
            yield piece

    @property
    def seconds(self) -> float:
        return self._length / self._sample_rate

    def ends_before(self, seconds: float) -> bool:
        """Whether at least a sample is missing of so many seconds."""
        return self._length < round(seconds * self._sample_rate) - 1


def _read_melody(request: GenerationRequest, format: InputFormat, known: int) -> Tensor | None:
    """The melody (1, N) to follow, separated from what accompanies it.

    Args:
        request: that may have one.
        format: the model's.
        known: frames of the clip that is continued.
    """
    path = request.melody_audio
    if path is None and not request.continuation:
        path = request.input_audio
    if path is None:
        return None
    if not format.melody:
        field = "input_audio" if request.melody_audio is None else "melody_audio"
        raise RequestError(
            f"{field} is {path}, whose melody is to be followed, but the model "
            f"{format.model!r} reads text only; use a melody model (nano, melody, "
            "melody-large, stereo-melody, stereo-melody-large), or continuation to continue it"
        )
    seconds = followed_seconds(request, format, known)
    audio = separate(_read_start(path, seconds + MARGIN_SECONDS), request.melody_stems)
    melody = convert(audio, format.sample_rate, 1).samples
    return melody[:, : math.ceil(seconds * format.sample_rate)]


def followed_seconds(request: GenerationRequest, format: InputFormat, known: int) -> float:
    """How much of a melody a piece follows: to the end of the last window that it is made in."""
    frames = format.count_frames(request.duration)
    last = 0
    for window in windows(frames, known, format.window_frames, format.stride_frames):
        last = window.start
    return last / format.frame_rate + format.window_seconds


def _read_start(path: Path, seconds: float) -> Audio:
    """The beginning of a recording, at a rate and with channels that melodies are heard in."""
    pieces = stream_audio(path, end=seconds)
    first = next(pieces)
    rate, channels = first.sample_rate, first.samples.shape[0]

    def all_pieces() -> Iterator[Audio]:
        yield first
        yield from pieces

    if rate > MELODY_RATE or channels > 2:
        rate, channels = min(rate, MELODY_RATE), min(channels, 2)
    samples = torch.cat(list(convert_stream(all_pieces(), rate, channels)), dim=1)
    return Audio(samples, rate)
