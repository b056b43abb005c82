"""Samples to the bytes of an audio file, with its tags."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
import numpy.typing as npt
import soundfile

from songloom.errors import OutputError
from songloom.request import OutputFormat

TAG_NAMES = ("title", "artist", "album", "genre", "date", "comment", "software")
"""Tags that all four formats can hold, under names that players know."""

MP3_BITS_PER_SECOND = 256_000
OGG_COMPRESSION = 0.2  # 1 - Vorbis quality / 10
BLOCK = 1 << 16
"""Frames handed over at once: libsndfile's Vorbis encoder overflows its stack on a whole song."""

Samples = npt.NDArray[np.float32]


def encode(
    file: BinaryIO,
    samples: Samples,
    sample_rate: int,
    format: OutputFormat,
    tags: Mapping[str, str],
) -> None:
    """Encode `samples (C, N)`, within [-1, 1], at `sample_rate` Hz into a seekable file.

    Raises `OutputError` where the format does not know the sample rate or the channel count.
    """
    tags = {name: _drop_unencodable(text) for name, text in tags.items()}
    try:
        match format:
            case "wav":
                _write(file, _int16(samples), sample_rate, "WAV", "PCM_16", tags)
            case "flac":
                _write(file, _int16(samples), sample_rate, "FLAC", "PCM_16", tags)
            case "ogg":
                _write(file, samples, sample_rate, "OGG", "VORBIS", tags)
            case "mp3":
                _write_mp3(file, samples, sample_rate, tags)
    except (soundfile.SoundFileError, av.FFmpegError, ValueError) as error:
        raise OutputError(
            f"{samples.shape[0]} channel(s) at {sample_rate} Hz cannot be written as {format} "
            f"({error}): expected one or two at 32000, 44100 or 48000 Hz; convert them, or choose "
            "wav"
        ) from error


def _drop_unencodable(text: str) -> str:
    """Drop NUL, and the lone surrogates of badly encoded arguments: no file can carry them."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _int16(samples: Samples) -> npt.NDArray[np.int16]:
    # Scaled by 2^15, as readers divide by it: a round trip is then exact to half a step.
    steps: npt.NDArray[np.float32] = np.rint(samples * np.float32(32768))
    return np.clip(steps, -32768, 32767).astype(np.int16)


def _write(
    file: BinaryIO,
    samples: npt.NDArray[Any],
    sample_rate: int,
    container: str,
    subtype: str,
    tags: Mapping[str, str],
) -> None:
    with soundfile.SoundFile(
        file,
        "w",
        sample_rate,
        samples.shape[0],
        subtype,
        format=container,
        compression_level=OGG_COMPRESSION if subtype == "VORBIS" else None,
    ) as writer:
        for name, text in tags.items():
            setattr(writer, name, text)
        for start in range(0, samples.shape[1], BLOCK):
            writer.write(np.ascontiguousarray(samples[:, start : start + BLOCK].T))


def _write_mp3(file: BinaryIO, samples: Samples, sample_rate: int, tags: Mapping[str, str]) -> None:
    # Not by libsndfile: it marks UTF-8 tags as Latin-1, and players show them garbled.
    channels = samples.shape[0]
    if channels > 2:
        raise ValueError("mp3 has no more than two channels")
    layout = "mono" if channels == 1 else "stereo"
    with av.open(file, "w", format="mp3") as container:
        container.metadata.update(tags)
        stream = container.add_stream("libmp3lame", rate=sample_rate, layout=layout)
        stream.bit_rate = MP3_BITS_PER_SECOND
        for start in range(0, samples.shape[1], BLOCK):
            block = np.ascontiguousarray(samples[:, start : start + BLOCK])
            frame = av.AudioFrame.from_ndarray(block, "fltp", layout)
            frame.sample_rate = sample_rate
            frame.time_base = Fraction(1, sample_rate)
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
