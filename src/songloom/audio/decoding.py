"""The bytes of an audio file to samples, by FFmpeg's libraries.

Only Vorbis is libsndfile's: FFmpeg gets the ends of files of one Ogg page wrong. For the rest it is
the other way round: libsndfile stops early, without a word, in a variable-rate mp3 that has no
index, and gives some Opus files back at half their rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

from songloom.audio.headers import HEAD, announced_seconds, archive_of, is_whole_flac_frame
from songloom.audio.limits import LONGEST_SECONDS, MOST_SAMPLES, check_format
from songloom.errors import AudioError, TooShortError

if TYPE_CHECKING:
    from av.audio import AudioStream
    from av.container import InputContainer

Samples = npt.NDArray[np.float32]

TRUNCATION_SECONDS = 0.2
"""How much less than it announces a file may hold: encoders' padding, rounded durations."""

LOST_PACKETS = 0.02
"""The share of packets that may fail to decode before a file counts as damaged."""

EXACT_CONTAINERS = ("wav", "w64", "aiff", "caf", "au", "flac", "mp3", "mov,mp4,m4a,3gp,3g2,mj2")
"""Those that tell to the sample where a packet belongs; Matroska, say, counts in milliseconds."""

DAMAGE = (av.FFmpegError, OSError, ValueError, IndexError, OverflowError)
"""Errors that PyAV raises for a damaged file."""

PACKED_FROM = 8
"""Channels from which a frame's planes are joined before PyAV gives them out: it looks for the end
of their list at a null pointer, which FFmpeg does not write after the eighth, and reads on."""

SEEK_FROM, PREROLL = 5.0, 1.0
"""Seconds: a start before the first is decoded to; for a later one decoding begins the second
ahead of it, since the samples of a frame depend on frames before it."""

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
        if size > MOST_SAMPLES:
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

    Audio before `start` is skipped undecoded where the format tells exactly where its
    packets belong, and what lies after `end` is not read. Raises `AudioError`, after the last block
    where only the whole tells what is wrong.
    """
    if start >= SEEK_FROM:
        with suppress(_CannotSeekError):  # which is known before the first block
            yield from _blocks(path, start, end, seeking=True)
            return
    yield from _blocks(path, start, end, seeking=False)


class _CannotSeekError(Exception):
    """A part can only be found by decoding all that lies before it."""


def _blocks(
    path: Path, start: float, end: float, *, seeking: bool
) -> Iterator[tuple[Samples, int]]:
    with _open_container(path) as (file, container):
        stream = container.streams.audio[0]
        announced = announced_seconds(file, container.format.name, stream)
        reader = _Reader(path, start, end)
        if container.format.name == "ogg" and stream.codec_context.name == "vorbis":
            frames = reader.vorbis(file, seeking)
        elif seeking:
            frames = reader.frames_from_start(container, stream)
        else:
            frames = reader.frames(container, stream)
        for samples, rate in frames:
            wanted = reader.trim(samples, rate)
            if wanted.shape[1]:
                yield wanted, rate
            if reader.done:
                break
        if seeking and not reader.any_wanted:
            raise _CannotSeekError  # so that the error can tell how long it is
        is_flac = stream.codec_context.name == "flac"
    reader.check(announced, is_flac=is_flac)


def duration(path: Path) -> float | None:
    """Tell a file's seconds from its header alone, roughly for some formats; None if not there.

    Raises `AudioError`.
    """
    with _open_container(path) as (_, container):
        stream = container.streams.audio[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if container.duration is None else container.duration / av.time_base


def metadata(path: Path) -> dict[str, str]:
    """Read all tags of a file, names in lower case. Raises `AudioError`."""
    with _open_container(path) as (_, container):
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
        self.last_packet: av.Packet[AudioStream] | None = None

    @property
    def done(self) -> bool:
        return self.rate > 0 and self.position >= self.end * self.rate

    def frames(
        self, container: InputContainer, stream: AudioStream
    ) -> Iterator[tuple[Samples, int]]:
        for frame in self._decode_packets(container, stream):
            yield self._as_float(frame), frame.sample_rate

    def frames_from_start(
        self, container: InputContainer, stream: AudioStream
    ) -> Iterator[tuple[Samples, int]]:
        """The frames from shortly before the start on; raises `_CannotSeekError`."""
        codec = stream.codec_context.name
        exact_codec = codec.startswith("pcm_") or codec in ("flac", "mp3", "mp3float")
        if not exact_codec or container.format.name not in EXACT_CONTAINERS:
            raise _CannotSeekError
        first = next(self._decode_packets(container, stream), None)
        if first is None or first.pts is None or stream.time_base is None:
            raise _CannotSeekError
        ahead = int((self.start - PREROLL) / stream.time_base)
        try:
            container.seek(first.pts + ahead, stream=stream, backward=True)
        except DAMAGE as error:
            raise _CannotSeekError from error
        self.packets = self.lost = 0
        begun = False
        for frame in self._decode_packets(container, stream):
            if not begun:
                if frame.pts is None:
                    raise _CannotSeekError
                seconds = (frame.pts - first.pts) * stream.time_base
                self.position = round(seconds * frame.sample_rate)
                if not 0 <= self.position <= self.start * frame.sample_rate:
                    raise _CannotSeekError
                begun = True
            yield self._as_float(frame), frame.sample_rate

    def _as_float(self, frame: av.AudioFrame) -> Samples:
        try:
            return _as_float(frame)
        except DAMAGE as error:  # an odd layout, a format numpy has not
            raise AudioError(
                f"{self.name} has an unknown sample format ({frame.format.name}, "
                f"{frame.layout.name}): {EXPECTED}; export it again as wav"
            ) from error

    def _decode_packets(
        self, container: InputContainer, stream: AudioStream
    ) -> Iterator[av.AudioFrame]:
        for packet in self._packets(container, stream):
            self.packets += 1
            if packet.size:
                self.last_packet = packet
            try:
                frames = packet.decode()
            except DAMAGE:
                self.lost += 1
                continue
            for frame in frames:
                check_format(self.name, frame.sample_rate, frame.layout.nb_channels)
                yield frame

    def _packets(
        self, container: InputContainer, stream: AudioStream
    ) -> Iterator[av.Packet[AudioStream]]:
        """The packets; where the container is damaged, those after the damage, too."""
        failed_at = -1
        while True:
            try:
                yield from container.demux(stream)
                return
            except DAMAGE as error:
                if failed_at == self.packets:  # nothing could be read since the last time
                    seconds = self.position / self.rate if self.rate else 0.0
                    raise AudioError(
                        f"{self.name} is damaged after {seconds:.1f} s: {EXPECTED}, whole; {AGAIN}"
                    ) from error
                failed_at = self.packets
                self.lost += 1

    def vorbis(self, file: IO[bytes], seeking: bool) -> Iterator[tuple[Samples, int]]:
        file.seek(0)
        # What came before an error counts: `check` judges whether it is enough.
        with suppress(soundfile.SoundFileError), soundfile.SoundFile(file) as vorbis:
            check_format(self.name, vorbis.samplerate, vorbis.channels)
            if seeking:
                self.position = vorbis.seek(int((self.start - PREROLL) * vorbis.samplerate))
            for block in vorbis.blocks(1 << 16, dtype="float32", always_2d=True):
                yield block.T, vorbis.samplerate

    def trim(self, samples: Samples, rate: int) -> Samples:
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
        if seconds > LONGEST_SECONDS:
            raise AudioError(
                f"{self.name} is longer than {LONGEST_SECONDS / 3600:g} hours: expected a "
                "recording of at most that; cut it into shorter ones"
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

    def check(self, announced: float | None, *, is_flac: bool) -> None:
        """Raise `AudioError` if what was decoded, now complete, is not what the file should be."""
        if not self.position:
            raise AudioError(
                f"{self.name} holds no audio that can be decoded: {EXPECTED}, neither empty nor "
                f"cut off; {AGAIN}"
            )
        seconds = self.position / self.rate
        short = announced is not None and seconds < announced - TRUNCATION_SECONDS
        if is_flac and short and not self.done and self.last_packet is not None:
            # One that was cut without being coded again announces its old length, and is all there.
            short = not is_whole_flac_frame(bytes(self.last_packet))
        if not self.done and short:
            raise AudioError(
                f"{self.name} is truncated: its header promises {announced:.2f} s, but "
                f"only {seconds:.2f} s can be decoded; {AGAIN}, or give an end within that part"
            )
        if self.lost > max(1, LOST_PACKETS * self.packets):
            raise AudioError(
                f"{self.name} is damaged: {self.lost} of its {self.packets} packets cannot be "
                f"decoded, expected all; {AGAIN}"
            )
        if not self.any_wanted:
            raise TooShortError(self.name, seconds, self.start)
        if self.not_finite:
            raise AudioError(
                f"{self.name} holds {self.not_finite} samples that are NaN or infinite: expected "
                "numbers between -1 and 1; export it again"
            )


class _Source:
    """An open file for FFmpeg, which in damaged files seeks to places that cannot be."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.tell, self.seekable = file.read, file.tell, file.seekable
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


@contextmanager
def _open_container(path: Path) -> Iterator[tuple[IO[bytes], InputContainer]]:
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
            container = av.open(
                _Source(file),
                "r",
                options={"format_whitelist": DEMUXERS},
                metadata_errors="replace",
            )
        except DAMAGE as error:
            file.seek(0)
            if archive := archive_of(file.read(HEAD)):
                raise AudioError(
                    f"{name} is {archive}: {EXPECTED}; unpack it first (songs to train on may also "
                    "be a zip or a tar)"
                ) from error
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
                raise AudioError(f"{name} uses an unknown audio codec: {EXPECTED}; {AGAIN}")
            context = container.streams.audio[0].codec_context
            if context.sample_rate and context.channels:  # else the first frame tells
                check_format(name, context.sample_rate, context.channels)
            yield file, container


def _as_float(frame: av.AudioFrame) -> Samples:
    """Give a frame's samples as `(C, n)` in [-1, 1], whatever its sample format."""
    if frame.format.is_planar and frame.layout.nb_channels >= PACKED_FROM:
        [frame] = av.AudioResampler(format=frame.format.packed.name).resample(frame)
    data: npt.NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:  # (1, n * C)
        data = data.reshape(-1, frame.layout.nb_channels).T
    samples = data.astype(np.float32)
    if data.dtype == np.uint8:
        return (samples - np.float32(128)) / np.float32(128)
    if data.dtype.kind == "i":
        return samples / np.float32(2 ** (8 * data.dtype.itemsize - 1))
    return samples
