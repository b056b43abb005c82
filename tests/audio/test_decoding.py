"""Files that cannot be used: each is refused with its name, what was expected and what to do."""

import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.audio import decoding
from songloom.audio.files import Audio, read_audio, read_seconds, read_tags, write_audio
from songloom.errors import AudioError
from songloom.request import OutputFormat
from tests.audio.sounds import cut, encode, silent_film, tone_audio, tones


def assert_refused(path: Path, problem: str, remedy: str) -> None:
    message = f"{re.escape(repr(str(path)))} .*{problem}.*; .*{remedy}"
    with pytest.raises(AudioError, match=message):
        read_audio(path)


def test_missing_file(tmp_path: Path) -> None:
    assert_refused(tmp_path / "no.wav", r"cannot be opened \(No such file", "check the name")


def test_folder(tmp_path: Path) -> None:
    assert_refused(tmp_path, "is a folder: expected an audio file", "name one in it")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    assert_refused(path, r"is empty \(0 bytes\): expected wav, flac", "export or download it again")
    with pytest.raises(AudioError, match="is empty"):
        read_tags(path)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.raw", "a.txt"])
def test_text_as_audio(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("This is not music.\n" * 500)
    assert_refused(path, "is not audio that can be read: expected wav", "convert it to wav")


def test_playlist_opens_nothing(tmp_path: Path) -> None:
    write_audio(tmp_path / "secret.wav", tone_audio(), format="wav")
    for name, content in {
        "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "a.mp4": "ffconcat version 1.0\nfile secret.wav\n",
    }.items():
        path = tmp_path / name
        path.write_text(content)
        assert_refused(path, "is not audio that can be read", "convert it")


def test_film_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    silent_film(path)
    assert_refused(path, "has no sound: expected an audio stream, found video", "with sound")


@pytest.mark.parametrize("format", ["mp3", "wav", "flac"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_truncated_file(tmp_path: Path, format: OutputFormat, share: float) -> None:
    path = tmp_path / f"a.{format}"
    tags = {"comment": "x" * 700}  # so that the first mp3 frame does not come at once
    write_audio(path, tone_audio(10, channels=2), format=format, tags=tags)
    cut(path, share)
    assert_refused(path, r"is truncated: its header promises 10\.00 s", "an end within")


def test_truncated_m4a(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    encode(path, tone_audio(10), "aac", {"movflags": "+faststart"})
    cut(path, 0.6)
    assert_refused(path, "is truncated", "export or download it again")


@pytest.mark.parametrize("kept", [3, 40, 300])
@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "ogg"])
def test_next_to_nothing_left(tmp_path: Path, format: OutputFormat, kept: int) -> None:
    path = tmp_path / "a"
    write_audio(path, tone_audio(10), format=format, tags={"comment": "x" * 300})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AudioError, match=r"is not audio|no audio|is truncated|is damaged"):
        read_audio(path)


def test_the_part_of_a_truncated_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    write_audio(path, tone_audio(10), format="mp3")
    cut(path, 0.5)
    assert read_audio(path, start=1, end=4).seconds == 3


def test_wav_that_was_streamed_announces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, tone_audio(1), format="wav")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert read_audio(path).seconds == 1


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    noise = Audio(torch.rand(1, 320000) - 0.5, 32000)
    write_audio(path, noise, format="flac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)  # one frame of flac
    path.write_bytes(content)
    assert read_audio(path).samples.isfinite().all()
    for position in range(2000, len(content), 2000):
        content[position : position + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"is damaged: \d+ of its \d+ packets|is truncated"):
        read_audio(path)


def test_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((0, 2)), 32000)
    assert_refused(path, "holds no audio that can be decoded", "export or download it again")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.wav"
    samples = np.zeros((1000, 2), np.float32)
    samples[300:302] = value
    soundfile.write(path, samples, 32000, subtype="FLOAT")
    assert_refused(path, "holds 4 samples that are NaN or infinite: expected", "export it again")


def test_too_long_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.flac"
    write_audio(path, Audio(torch.zeros(2, 600_000), 1000), format="flac")
    monkeypatch.setattr(decoding, "MOST_SAMPLES", 400_000)
    assert_refused(path, "is too long to hold in memory: over 3 minutes of 2", "give a start")
    assert read_audio(path, start=500, end=600).seconds == 100


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8, 16])
@pytest.mark.parametrize("sample_rate", [8000, 192000])
def test_uncommon_channels_and_rates(tmp_path: Path, channels: int, sample_rate: int) -> None:
    path = tmp_path / "a.wav"
    audio = tone_audio(0.2, sample_rate, channels)
    soundfile.write(path, audio.samples.T.numpy(), sample_rate, subtype="PCM_24")
    back = read_audio(path)
    assert back.sample_rate == sample_rate
    assert back.samples.shape == audio.samples.shape
    assert (back.samples - audio.samples).abs().max() < 1e-6  # and in the same order


def test_a_change_of_format_half_way(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    encode(tmp_path / "b.mp3", tone_audio(1, 32000, 1), "libmp3lame", {"write_xing": "0"})
    encode(path, tone_audio(1, 44100, 2), "libmp3lame", {"write_xing": "0"})
    path.write_bytes(path.read_bytes() + (tmp_path / "b.mp3").read_bytes())
    assert_refused(path, r"changes from \d .* Hz to \d .* Hz after", "export it again as wav")


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=2000), head=st.sampled_from([b"", b"RIFF", b"OggS", b"ID3\x04"]))
def test_noise_never_escapes_as_another_error(
    content: bytes, head: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise"
    path.write_bytes(head + content)
    try:
        audio = read_audio(path)
    except AudioError:
        return
    assert audio.samples.numel() > 0
    assert audio.samples.isfinite().all()


@settings(max_examples=60, deadline=None)
@given(
    position=st.integers(0, 4000),
    patch=st.binary(min_size=1, max_size=20),
    format=st.sampled_from(["wav", "mp3", "flac", "ogg"]),
)
def test_damage_never_escapes_as_another_error(
    position: int, patch: bytes, format: OutputFormat, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = tmp_path_factory.getbasetemp() / f"whole.{format}"
    if not whole.exists():
        write_audio(whole, tone_audio(0.5), format=format)
    content = bytearray(whole.read_bytes())
    content[position : position + len(patch)] = patch
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        audio = read_audio(path)
    except AudioError:
        return
    assert audio.samples.isfinite().all()


def test_header_size_of_riff_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, tone_audio(1), format="wav")
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", len(content) - 8 + 64000)  # a second more of 16-bit mono
    path.write_bytes(content)
    assert_refused(path, r"its header promises 2\.00 s, but only 1\.00 s", "export")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    holder = os.open(pipe, os.O_RDWR)  # opening the other end would wait without it
    try:
        assert_refused(pipe, "is a pipe: expected an audio file", "save it")
    finally:
        os.close(holder)


def test_unknown_coding(tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    write_audio(path, tone_audio(0.2), format="wav")
    content = bytearray(path.read_bytes())
    at = content.index(b"fmt ") + 8
    content[at : at + 2] = b"\x00\x00"  # the number of the coding
    path.write_bytes(content)
    assert_refused(path, "unknown audio codec", "")


def with_rate(path: Path, rate: int, samples: int = 70_000) -> Path:
    """Write a wav of 16-bit mono whose header has any rate."""
    soundfile.write(path, np.full(samples, 0.1), 8000, format="WAV", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"fmt ") + 12
    content[at : at + 8] = struct.pack("<II", rate, 2 * rate)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1])
def test_rates_that_no_recording_has(tmp_path: Path, rate: int) -> None:
    path = with_rate(tmp_path / "a.wav", rate)
    problem = f"has a sample rate of {rate} Hz: expected 1000 to 768000 Hz"
    assert_refused(path, problem, "export it again at 44100 Hz")
    with pytest.raises(AudioError, match=problem):
        read_seconds(path)


@pytest.mark.parametrize("rate", [1000, 768_000])
def test_rates_at_the_bounds(tmp_path: Path, rate: int) -> None:
    audio = read_audio(with_rate(tmp_path / "a.wav", rate, 2000))
    assert (audio.sample_rate, audio.samples.shape) == (rate, (1, 2000))


@pytest.mark.parametrize("channels", [33, 255])
def test_more_channels_than_a_recording_has(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((100, channels)), 44100)
    assert_refused(path, f"has {channels} channels: expected 1 to 32", "export it again in stereo")


def test_a_recording_of_many_hours_is_refused_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_rate(tmp_path / "a.wav", 1000)
    monkeypatch.setattr(decoding, "LONGEST_SECONDS", 36.0)
    decoded = []
    with pytest.raises(AudioError, match=r"is longer than 0\.01 hours: expected .*; cut it"):
        decoded.extend(samples.shape[1] for samples, _ in decoding.decode_blocks(path))
    assert 36_000 <= sum(decoded) < 40_000


@pytest.mark.parametrize(("name", "codec"), [("a.ogg", "libopus"), ("a.aac", "aac")])
def test_damage_in_the_container_is_an_error_of_the_file(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = tmp_path / name
    encode(path, tone_audio(10, 48_000), codec)
    whole = path.read_bytes()
    for seed in range(30):
        random = Random(seed)
        content = bytearray(whole)
        for _ in range(20):
            at = random.randrange(200, len(content) - 40)
            content[at : at + 30] = random.randbytes(30)
        path.write_bytes(content)
        with suppress(AudioError):
            read_audio(path)


class BrokenContainer:
    """Gives packets until it fails, as FFmpeg's does where pages are damaged."""

    def __init__(self, packets: list[Any], times: int) -> None:
        self.packets, self.times = iter(packets), times

    def demux(self, stream: Any) -> Iterator[Any]:
        for number, packet in enumerate(self.packets):
            yield packet
            if number == 50 and self.times:
                break
        if self.times:
            self.times -= 1
            raise av.InvalidDataError(1094995529, "Invalid data found")


@pytest.mark.parametrize("times", [1, 1000])
def test_a_container_that_fails_once_is_read_on(tmp_path: Path, times: int) -> None:
    path = tmp_path / "a.mp3"
    encode(path, tone_audio(5), "libmp3lame")
    reader = decoding._Reader(path, 0.0, 5.0)
    with av.open(path) as container:
        stream = container.streams.audio[0]
        broken = BrokenContainer(list(container.demux(stream)), times)
        frames = reader.frames(broken, stream)  # type: ignore[arg-type]
        if times == 1:
            assert sum(samples.shape[1] for samples, _ in frames) == pytest.approx(
                160_000, abs=3000
            )
            assert reader.lost == 1
        else:
            with pytest.raises(AudioError, match="is damaged after"):
                for _ in frames:
                    pass


@pytest.mark.parametrize("name", ["a.m4a", "a.opus"])
def test_eight_channels_in_planes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    samples = np.ascontiguousarray(tones(1, 48_000, 8).T.reshape(1, -1).numpy())
    with av.open(path, "w") as container:
        codec = "aac" if name == "a.m4a" else "libopus"
        stream = container.add_stream(codec, rate=48_000, layout="7.1")
        frame = av.AudioFrame.from_ndarray(samples, "flt", "7.1")
        frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), 0
        for converted in av.AudioResampler(format=stream.format.name).resample(frame):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    audio = read_audio(path)
    assert audio.samples.shape[0] == 8
    spectrum = torch.fft.rfft(audio.samples[:, 4096 : 4096 + 24_000]).abs()
    loudest = (spectrum[:, :1200].argmax(dim=1) * 2).tolist()  # Hz
    assert sum(pitch == 220 * number for number, pitch in enumerate(loudest, 1)) >= 6


@pytest.mark.parametrize("name", ["a.wma", "a.flv", "a.caf", "a.w64", "a.wv"])
def test_damaged_headers_of_other_containers(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    codecs = {"a.wma": "wmav2", "a.flv": "aac", "a.wv": "wavpack"}
    path = tmp_path / name
    encode(path, tone_audio(3, 44_100), codecs.get(name, "pcm_s16le"))
    whole = path.read_bytes()
    for seed in range(40):
        random = Random(seed)
        content = bytearray(whole)
        for _ in range(5):
            at = random.randrange(0, 300)
            content[at : at + 20] = random.randbytes(20)
        path.write_bytes(content)
        for read in (read_audio, read_seconds, read_tags):
            with suppress(AudioError):
                read(path)
    assert "Traceback" not in capfd.readouterr().err


def copied(source: Path, target: Path, seconds: float) -> None:
    """Keep the beginning of a file without coding it again, as "ffmpeg -t SECONDS -c copy" does."""
    with av.open(source) as container, av.open(target, "w") as out:
        stream = out.add_stream_from_template(container.streams.audio[0])
        for packet in container.demux(audio=0):
            if packet.dts is not None and float(packet.pts * packet.time_base) < seconds:
                packet.stream = stream
                out.mux(packet)


def test_a_flac_that_was_cut_without_coding_it_again_is_all_there(tmp_path: Path) -> None:
    source, path = tmp_path / "whole.flac", tmp_path / "a.flac"
    noise = Audio(torch.rand(2, 441_000, generator=torch.Generator().manual_seed(0)) - 0.5, 44_100)
    write_audio(source, noise, format="flac")
    copied(source, path, 4.0)
    assert read_seconds(path) == 10  # as it announces still
    audio = read_audio(path)
    assert audio.seconds == pytest.approx(4, abs=0.1)
    assert torch.equal(audio.samples, read_audio(source).samples[:, : audio.samples.shape[1]])
    path.write_bytes(path.read_bytes()[:-1])
    assert_refused(path, "is truncated", "export or download it again")


def test_tags_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, tone_audio(0.2), format="wav", tags={"title": "XXXX"})
    path.write_bytes(path.read_bytes().replace(b"XXXX", "Café".encode("cp1252")))
    assert read_audio(path).seconds == 0.2
    assert read_tags(path)["title"] == "Caf\ufffd"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
    ],
)
def test_an_archive_is_to_be_unpacked_not_converted(tmp_path: Path, head: bytes, kind: str) -> None:
    (tmp_path / "songs.wav").write_bytes(head + bytes(1000))
    with pytest.raises(AudioError, match=f"is {kind}: .*unpack it first") as raised:
        read_audio(tmp_path / "songs.wav")
    assert "convert" not in str(raised.value)
