"""Headers of files: the length that one promises, and archives that people take for sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from av.audio import AudioStream

_POLYNOMIAL = 0x8005
_ARCHIVES = (
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
)
HEAD = 16
"""First bytes of a file that are enough."""


def announced_seconds(file: IO[bytes], format_name: str, stream: AudioStream) -> float | None:
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


def is_whole_flac_frame(packet: bytes) -> bool:
    """Whether the last packet of a FLAC is a frame to its last byte, by the frame's CRC-16.

    Of a download that broke off, the last frame is cut; of a file that a program cut at frames,
    without coding it again, it is whole, and only the header's length is wrong.
    """
    crc, table = 0, _crc_table()
    for byte in packet:  # RFC 9639, section 9.3; over a frame with its own CRC it is 0
        crc = table[(crc >> 8) ^ byte] ^ (crc << 8) & 0xFFFF
    return len(packet) > 2 and crc == 0


@cache
def _crc_table() -> tuple[int, ...]:
    def entry(byte: int) -> int:
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (_POLYNOMIAL if crc & 0x8000 else 0)
        return crc & 0xFFFF

    return tuple(entry(byte) for byte in range(256))


def archive_of(head: bytes) -> str:
    """The kind of archive that begins with these bytes; empty where it is none."""
    return next((kind for magic, kind in _ARCHIVES if head.startswith(magic)), "")
