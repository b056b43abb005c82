"""Audio files in and out: the only place that reads or writes them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, get_args

import torch
from torch import Tensor

from songloom.audio.decoding import decode, decode_blocks, duration, metadata
from songloom.audio.encoding import TAG_NAMES, encode
from songloom.errors import AudioError, OutputError, RequestError
from songloom.request import OutputFormat
from songloom.whole_files import replace_file


@dataclass(frozen=True, eq=False)
class Audio:
    """A piece of sound."""

    samples: Tensor
    """float32 `(C, N)`, nominally within [-1, 1]."""
    sample_rate: int
    """Hz."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples.shape[-1] / self.sample_rate


def read_audio(
    path: str | os.PathLike[str], *, start: float = 0.0, end: float | None = None
) -> Audio:
    """Read an audio file, or the part of it from `start` to `end` (seconds).

    Takes what FFmpeg knows (wav, flac, mp3, ogg, opus, m4a, the sound of an mp4, ...), told by
    content and not by name, at any sample rate and channel count. `end` None, or past the end of
    the file, is the end of the file.

    A truncated or damaged file is refused rather than used in part: to continue half a song would
    be a wrong result that looks like a right one. A lost packet here and there (1 in 50) is
    forgiven, and so is what lies beyond `end`.

    Raises `RequestError` where `start` and `end` make no sense by themselves, and `AudioError`
    where the file is missing, empty, not audio, truncated or damaged, holds NaN or infinite
    samples, is too long to hold in memory, or ends before `start`.
    """
    _check_part(start, end)
    samples, sample_rate = decode(Path(path), start, math.inf if end is None else end)
    return Audio(torch.from_numpy(samples), sample_rate)


PIECE_SAMPLES = 1 << 16
"""Samples of a piece, or some more: packets are too short to be worth what is done for each."""


def stream_audio(
    path: str | os.PathLike[str], *, start: float = 0.0, end: float | None = None
) -> Iterator[Audio]:
    """Read an audio file of any length in pieces, which joined are what `read_audio` gives.

    Raises `RequestError` and `AudioError` as `read_audio` does, but after the last piece where a
    file turns out to be truncated or damaged, or to hold samples that are NaN: nothing may be made
    of the pieces until the last has come.
    """
    _check_part(start, end)
    gathered: list[Tensor] = []
    length = sample_rate = 0
    last = math.inf if end is None else end
    for samples, sample_rate in decode_blocks(Path(path), start, last):
        gathered.append(torch.from_numpy(samples))
        length += samples.shape[1]
        if length >= PIECE_SAMPLES:
            yield Audio(torch.cat(gathered, dim=1), sample_rate)
            gathered, length = [], 0
    if gathered:
        yield Audio(torch.cat(gathered, dim=1), sample_rate)


def _check_part(start: float, end: float | None) -> None:
    if not (math.isfinite(start) and start >= 0):
        raise RequestError(f"start is {start}, but must be a number of seconds from 0 up; try 0")
    if end is not None and not end > start:
        raise RequestError(
            f"end is {end}, but must be more seconds than start ({start:g}); "
            "leave it out for the end of the file"
        )


def read_seconds(path: str | os.PathLike[str]) -> float | None:
    """Read from a file's header how long it says that it is; None where it does not.

    A hint, for estimates of time: the sound itself may be shorter, or damaged. Raises `AudioError`
    for a file that is missing or not audio.
    """
    return duration(Path(path))


def format_of(path: str | os.PathLike[str]) -> OutputFormat:
    """Tell the format to write from a file's name; raises `OutputError` for an unknown ending."""
    ending = Path(path).suffix.lower().removeprefix(".")
    formats: tuple[OutputFormat, ...] = get_args(OutputFormat)
    for known in formats:
        if ending == known:
            return known
    raise OutputError(
        f"{os.fspath(path)!r} does not say which format to write: expected a name that ends in "
        f".{', .'.join(formats)}; rename it"
    )


def write_audio(
    target: str | os.PathLike[str] | BinaryIO,
    audio: Audio,
    *,
    format: OutputFormat,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write audio to a file, or to a binary stream that need not be seekable (standard output).

    - `wav`: 16-bit PCM.
    - `flac`: 16-bit.
    - `mp3`: 256 kbit/s, constant; below 32 kHz the most that the format allows (160, or 64).
      A last frame of 47 samples or fewer is padded to them, so a length may grow by a millisecond.
    - `ogg`: Vorbis at quality 8 of 10, about 256 kbit/s for stereo at 44.1 kHz.

    Samples beyond [-1, 1] are clipped. `tags` may hold what `TAG_NAMES` lists, in any language;
    every format carries them. A file appears under its name when it is complete, or not at all: an
    older one stays as it is when writing fails.

    Raises `AudioError` where there is nothing to write or a sample is NaN or infinite, and
    `OutputError` where the format does not know the sample rate or the channel count, a tag is
    unknown, or the target cannot be written.
    """
    encoded = _encode(audio, format, tags or {})
    if isinstance(target, (str, os.PathLike)):
        with replace_file(Path(target)) as temporary:
            temporary.write_bytes(encoded)
        return
    try:
        target.write(encoded)
        target.flush()
    except OSError as error:
        raise OutputError(
            f"the output stream cannot be written ({error.strerror or error}): expected it to stay "
            "open until the end; write to a file instead"
        ) from error


def _encode(audio: Audio, format: OutputFormat, tags: Mapping[str, str]) -> memoryview:
    if unknown := sorted(set(tags) - set(TAG_NAMES)):
        raise OutputError(f"tag {unknown[0]!r} is unknown: expected one of {', '.join(TAG_NAMES)}")
    samples = audio.samples.detach().float().cpu()
    if samples.ndim != 2 or samples.numel() == 0:
        raise AudioError(
            f"there is no audio to write: expected samples (C, N), got {tuple(samples.shape)}"
        )
    if not samples.isfinite().all():
        raise AudioError(
            "the audio to write holds NaN or infinite samples: expected numbers between -1 and 1"
        )
    # In memory first: a full disk then fails in our own write, with a proper error, and a pipe
    # gets a header with the right sizes.
    buffer = BytesIO()
    encode(buffer, samples.clamp(-1, 1).numpy(), audio.sample_rate, format, tags)
    return buffer.getbuffer()


def read_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read what a file says about itself, if it does: title, artist, ..., as in `TAG_NAMES`.

    Raises `AudioError` as `read_audio` does for a file that is missing or not audio.
    """
    tags = metadata(Path(path))
    if "encoder" in tags:  # what FFmpeg calls a wav's software; libsndfile adds its own name to it
        tags.setdefault("software", tags["encoder"])
    if "software" in tags:
        tags["software"] = tags["software"].partition(" (libsndfile-")[0]
    return {name: tags[name] for name in TAG_NAMES if name in tags}
