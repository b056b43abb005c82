"""The bytes of an audio file to samples, by FFmpeg's libraries.

Only Vorbis is libsndfile's: FFmpeg gets the ends of files of one Ogg page wrong. For the rest it is
the other way round: libsndfile stops early, without a word, in a variable-rate mp3 that has no
index, and gives some Opus files back at half their rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

from songloom.errors import AudioError

if TYPE_CHECKING:
    from av.audio import AudioStream
    from av.container import InputContainer

Samples = npt.NDArray[np.float32]

MAX_SAMPLES = 1 << 30
"""The most that is kept, over all channels: 4 GiB, or three hours of stereo at 48 kHz."""

TRUNCATION_SECONDS = 0.2
"""How much less than it announces a file may hold: encoders' padding, rounded durations."""

LOST_PACKETS = 0.02
"""The share of packets that may fail to decode before a file counts as damaged."""

# Playlists are left out on purpose: they would make FFmpeg open other files and addresses.
DEMUXERS = (
    "wav,w64,aiff,caf,au,flac,mp3,ogg,mov,matroska,webm,aac,asf,avi,amr,ac3,eac3,mpegts,mpeg,flv,"
    "ape,wv,tta,dsf"
)

EXPECTED = "expected wav, flac, mp3, ogg, opus, m4a, mp4 or another common audio format"
AGAIN = "export or download it again"


def decode(path: Path, start: float, end: float) -> tuple[Samples, int]:
    """Decode the part of a file from `start` to `end` (seconds; infinity is the end of the file).

    Gives samples `(C, N)` and the sample rate in Hz. Raises `AudioError`.
    """
    kept: list[Samples] = []
    size = rate = 0
    for samples, rate in decode_blocks(path, start, end):
        kept.append(samples)
        size += samples.size
        if size > MAX_SAMPLES:
            channels = len(samples)
            raise AudioError(
                f"{str(path)!r} is too long to hold in memory: over "
                f"{size / channels / rate / 60:.0f} minutes of {channels} channel(s) at {rate} Hz; "
                "cut it into shorter files, or give a start and an end"
            )
    return np.concatenate(kept, axis=1), rate


def decode_blocks(
    path: Path, start: float = 0.0, end: float = math.inf
) -> Iterator[tuple[Samples, int]]:
    """Decode a part of a file block by block: samples `(C, n)`, n > 0, and the sample rate in Hz.

    It decodes from the beginning whatever `start` is, since seeking in compressed audio is not
    exact. Raises `AudioError`, after the last block where only the whole tells what is wrong.
    """
    with _opened(path) as (file, container):
        stream = container.streams.audio[0]
        announced = _announced_seconds(file, container.format.name, stream)
        reader = _Reader(path, start, end)
        vorbis = container.format.name == "ogg" and stream.codec_context.name == "vorbis"
        frames = reader.vorbis(file) if vorbis else reader.frames(container.demux(stream))
        for samples, rate in frames:
            wanted = reader.wanted(samples, rate)
            if wanted.shape[1]:
                yield wanted, rate
            if reader.done:
                break
    reader.check(announced)


def duration(path: Path) -> float | None:
    """Tell a file's seconds from its header alone, roughly for some formats; None if not there.

    Raises `AudioError`.
    """
    with _opened(path) as (_, container):
        stream = container.streams.audio[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if container.duration is None else container.duration / av.time_base


def metadata(path: Path) -> dict[str, str]:
    """Read all tags of a file, names in lower case. Raises `AudioError`."""
    with _opened(path) as (_, container):
        # Ogg keeps its tags with the stream, the others with the container.
        tags = {**container.metadata, **container.streams.audio[0].metadata}
        return {name.lower(): text for name, text in tags.items()}


class _Reader:
    """Takes the wanted part of what a file decodes to, and counts what goes wrong."""

    def __init__(self, path: Path, start: float, end: float) -> None:
        self.name = repr(str(path))
        self.start = start
        self.end = end
        self.rate = 0  # Hz; 0 until the first frame tells
        self.channels = 0
        self.position = 0  # samples of each channel decoded so far, wanted or not
        self.any_wanted = False
        self.not_finite = 0
        self.packets = 0
        self.lost = 0

    @property
    def done(self) -> bool:
        return self.rate > 0 and self.position >= self.end * self.rate

    def frames(self, packets: Iterable[av.Packet[AudioStream]]) -> Iterator[tuple[Samples, int]]:
        for packet in packets:
            self.packets += 1
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.lost += 1
                continue
            for frame in frames:
                yield _as_float(frame), frame.sample_rate

    def vorbis(self, file: IO[bytes]) -> Iterator[tuple[Samples, int]]:
        file.seek(0)
        # What came before an error counts: `check` judges whether it is enough.
        with suppress(soundfile.SoundFileError), soundfile.SoundFile(file) as vorbis:
            for block in vorbis.blocks(1 << 16, dtype="float32", always_2d=True):
                yield block.T, vorbis.samplerate

    def wanted(self, samples: Samples, rate: int) -> Samples:
        """Cut off what lies before the start and after the end: `(C, n)`, n may be 0."""
        channels, length = samples.shape
        if not self.rate:
            self.rate, self.channels = rate, channels
        seconds = self.position / self.rate
        if (rate, channels) != (self.rate, self.channels):
            raise AudioError(
                f"{self.name} changes from {self.channels} channel(s) at {self.rate} Hz to "
                f"{channels} at {rate} Hz after {seconds:.1f} s: expected one format "
                "throughout; export it again as wav"
            )
        first = max(0, round(self.start * self.rate) - self.position)
        last = length
        if (seconds_left := self.end - seconds) * self.rate < last:
            last = round(seconds_left * self.rate)
        self.position += length
        samples = samples[:, first : max(first, last)]
        self.any_wanted |= samples.shape[1] > 0
        self.not_finite += samples.size - int(np.isfinite(samples).sum())
        return samples

    def check(self, announced: float | None) -> None:
        """Raise `AudioError` if what was decoded, now complete, is not what the file should be."""
        if not self.position:
            raise AudioError(
                f"{self.name} holds no audio that can be decoded: {EXPECTED}, neither empty nor "
                f"cut off; {AGAIN}"
            )
        seconds = self.position / self.rate
        if not self.done and announced is not None and seconds < announced - TRUNCATION_SECONDS:
            raise AudioError(
                f"{self.name} is truncated: expected the {announced:.2f} s that it announces, but "
                f"only {seconds:.2f} s can be decoded; {AGAIN}, or give an end within that part"
            )
        if self.lost > max(1, LOST_PACKETS * self.packets):
            raise AudioError(
                f"{self.name} is damaged: {self.lost} of its {self.packets} packets cannot be "
                f"decoded, expected all; {AGAIN}"
            )
        if not self.any_wanted:
            raise AudioError(
                f"{self.name} is {seconds:.2f} s long: expected it to go on past the start at "
                f"{self.start:g} s; choose an earlier start"
            )
        if self.not_finite:
            raise AudioError(
                f"{self.name} holds {self.not_finite} samples that are NaN or infinite: expected "
                "numbers between -1 and 1; export it again"
            )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], InputContainer]]:
    """Open a file that has an audio stream."""
    name = repr(str(path))
    if path.is_dir():
        raise AudioError(f"{name} is a folder: expected an audio file; name one in it")
    try:
        file = path.open("rb")
    except OSError as error:
        raise AudioError(
            f"{name} cannot be opened ({error.strerror}): expected an audio file; check the name"
        ) from error
    with file:
        if not file.seekable():
            raise AudioError(f"{name} is a pipe: expected an audio file; save it to one first")
        if not file.read(1):
            raise AudioError(f"{name} is empty (0 bytes): {EXPECTED}; {AGAIN}")
        file.seek(0)
        try:
            # The open file, not its name: FFmpeg then has no say in what else is opened.
            container = av.open(file, "r", options={"format_whitelist": DEMUXERS})
        except (av.FFmpegError, ValueError) as error:
            raise AudioError(
                f"{name} is not audio that can be read: {EXPECTED}, complete, and not another kind "
                "of file renamed; convert it to wav"
            ) from error
        with container:
            if not container.streams.audio:
                found = ", ".join(stream.type for stream in container.streams) or "nothing"
                raise AudioError(
                    f"{name} has no sound: expected an audio stream, found {found}; "
                    "choose a file with sound"
                )
            if container.streams.audio[0].codec_context is None:
                raise AudioError(
                    f"{name} holds sound in a coding that is not known: {EXPECTED}; {AGAIN}"
                )
            yield file, container


def _as_float(frame: av.AudioFrame) -> Samples:
    """Give a frame's samples as `(C, n)` in [-1, 1], whatever its sample format."""
    data: npt.NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:  # (1, n * C)
        data = data.reshape(-1, frame.layout.nb_channels).T
    samples = data.astype(np.float32)
    if data.dtype == np.uint8:
        return (samples - np.float32(128)) / np.float32(128)
    if data.dtype.kind == "i":
        return samples / np.float32(2 ** (8 * data.dtype.itemsize - 1))
    return samples


def _announced_seconds(file: IO[bytes], format_name: str, stream: AudioStream) -> float | None:
    """Tell the length that a file's header promises; None where FFmpeg knows none or guesses."""
    if stream.duration is None or stream.time_base is None:
        return None
    seconds = float(stream.duration * stream.time_base)
    match format_name:
        case "flac" | "mov,mp4,m4a,3gp,3g2,mj2":
            return seconds
        case "mp3" if _has_length_header(file):
            return seconds
        case "wav" if stream.bit_rate:  # FFmpeg has cut the length down to what the file holds
            return seconds + 8 * _missing_bytes(file) / stream.bit_rate
    return None


def _has_length_header(file: IO[bytes]) -> bool:
    """Tell whether an mp3's first frame is the Xing or Info header, which counts the frames."""
    with _from_start(file):
        head = file.read(10)
        if head[:3] == b"ID3":  # ID3v2: its size is in four bytes of seven bits
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
            head = b""
        head += file.read(200)
    return b"Xing" in head or b"Info" in head


def _missing_bytes(file: IO[bytes]) -> int:
    """Count the bytes that a wav's RIFF header announces and the file lacks."""
    with _from_start(file):
        head = file.read(8)
        announced = 8 + int.from_bytes(head[4:8], "little")
        size = file.seek(0, 2)
    streamed = announced >= 0x7FFF0000  # the placeholders of writers that could not seek back
    return 0 if streamed or head[:4] != b"RIFF" else max(0, announced - size)


@contextmanager
def _from_start(file: IO[bytes]) -> Iterator[None]:
    """Read elsewhere in a file whose position is someone else's."""
    position = file.tell()
    file.seek(0)
    try:
        yield
    finally:
        file.seek(position)
