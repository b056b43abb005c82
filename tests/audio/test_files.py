"""Reading and writing audio files: what goes in comes out, whole or not at all."""

import io
import json
import threading
from pathlib import Path
from typing import Any, get_args

import av
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.audio import decoding
from songloom.audio.encoding import TAG_NAMES
from songloom.audio.files import (
    Audio,
    format_of,
    read_audio,
    read_seconds,
    read_tags,
    stream_audio,
    write_audio,
)
from songloom.errors import AudioError, OutputError, RequestError, TooShortError
from songloom.request import OutputFormat
from tests.audio.sounds import encode, tone_audio, tones

FORMATS = get_args(OutputFormat)
TOLERANCE = {"wav": 2e-5, "flac": 2e-5, "mp3": 0.03, "ogg": 0.03}
TAGS = {
    "title": "Übermäßig warm 日本 🎵",
    "artist": "songloom",
    "album": "Größe",
    "genre": "Ambient",
    "date": "2026",
    "software": "songloom 0.1.0",
    "comment": json.dumps({"prompt": "naïve 'piano' = \"soft\"\n日本 🎵" * 40, "seed": 0}),
}


def channels_of(format: OutputFormat) -> tuple[int, ...]:
    return (1, 2) if format == "mp3" else (1, 2, 8)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("sample_rate", [16000, 32000, 44100, 48000])
def test_round_trip(tmp_path: Path, format: OutputFormat, sample_rate: int) -> None:
    for channels in channels_of(format):
        path = tmp_path / f"sound.{format}"
        audio = tone_audio(0.73, sample_rate, channels)
        write_audio(path, audio, format=format)
        back = read_audio(path)
        assert back.sample_rate == sample_rate
        assert back.samples.shape == audio.samples.shape
        assert back.samples.dtype == torch.float32
        edge = sample_rate // 50  # lossy codecs blur a sudden beginning and end
        difference = (back.samples - audio.samples)[:, edge:-edge].abs().amax()
        assert difference < TOLERANCE[format]


@pytest.mark.parametrize("format", FORMATS)
def test_round_trip_of_a_single_sample(tmp_path: Path, format: OutputFormat) -> None:
    path = tmp_path / "blip"
    write_audio(path, Audio(torch.full((1, 1), 0.5), 32000), format=format)
    length = read_audio(path).samples.shape[1]
    assert length <= 47 if format == "mp3" else length == 1  # LAME's padding ends in whole frames


@pytest.mark.parametrize("format", FORMATS)
def test_pieces_joined_are_the_whole(tmp_path: Path, format: OutputFormat) -> None:
    path = tmp_path / f"sound.{format}"
    write_audio(path, tone_audio(4.3, 32000, 2), format=format)
    pieces = list(stream_audio(path))
    assert len(pieces) > 1
    assert {piece.sample_rate for piece in pieces} == {32000}
    joined = torch.cat([piece.samples for piece in pieces], dim=1)
    assert torch.equal(joined, read_audio(path).samples)


def test_pieces_come_before_the_fault_is_known(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    samples = tone_audio(3, 32000).samples
    samples[0, -1] = torch.nan
    soundfile.write(path, samples.T.numpy(), 32000, "FLOAT")
    pieces = stream_audio(path)
    assert next(pieces).samples.isfinite().all()
    with pytest.raises(AudioError, match="holds 1 samples that are NaN"):
        list(pieces)


@pytest.mark.parametrize("format", FORMATS)
def test_the_header_tells_the_length(tmp_path: Path, format: OutputFormat) -> None:
    path = tmp_path / f"sound.{format}"
    write_audio(path, tone_audio(2, 32000), format=format)
    assert read_seconds(path) == pytest.approx(2, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3000), st.sampled_from([8000, 32000, 192000]))
def test_wav_is_exact_to_half_a_step(channels: int, length: int, sample_rate: int) -> None:
    samples = torch.rand(channels, length) * 2 - 1
    file = io.BytesIO()
    write_audio(file, Audio(samples, sample_rate), format="wav")
    back, rate = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32", always_2d=True)
    assert rate == sample_rate
    assert (torch.from_numpy(back).T - samples).abs().max() <= 1 / 32768


def test_wav_is_16_bit_and_clips(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    write_audio(path, Audio(torch.tensor([[3.0, -3.0, 1.0, -1.0, 0.0]]), 32000), format="wav")
    assert soundfile.info(path).subtype == "PCM_16"
    assert read_audio(path).samples.tolist() == [[32767 / 32768, -1, 32767 / 32768, -1, 0]]


@pytest.mark.parametrize(("sample_rate", "kilobits"), [(48000, 256), (32000, 256), (16000, 160)])
def test_mp3_bitrate(tmp_path: Path, sample_rate: int, kilobits: int) -> None:
    path = tmp_path / "sound.mp3"
    write_audio(path, tone_audio(4, sample_rate, 2), format="mp3")
    assert path.stat().st_size * 8 / 4000 == pytest.approx(kilobits, rel=0.06)


def test_a_long_vorbis_file_does_not_overflow(tmp_path: Path) -> None:
    path = tmp_path / "long.ogg"
    audio = Audio(0.1 * torch.randn(2, 200_000), 8000)
    # A thread with a sixteenth of the usual stack: a sixteenth of the song shows what a whole does.
    before = threading.stack_size(512 * 1024)
    try:
        writer = threading.Thread(target=write_audio, args=(path, audio), kwargs={"format": "ogg"})
        writer.start()
    finally:
        threading.stack_size(before)
    writer.join()
    assert read_audio(path).samples.shape == audio.samples.shape


@pytest.mark.parametrize("format", FORMATS)
def test_tags_in_any_language(tmp_path: Path, format: OutputFormat) -> None:
    path = tmp_path / f"sound.{format}"
    write_audio(path, tone_audio(), format=format, tags=TAGS)
    assert set(TAGS) == set(TAG_NAMES)
    assert read_tags(path) == TAGS


@settings(max_examples=15, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1))
def test_any_prompt_survives_as_json(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    for format in FORMATS:
        path = tmp_path_factory.getbasetemp() / f"prompt.{format}"
        write_audio(path, tone_audio(0.05), format=format, tags={"comment": json.dumps(text)})
        assert json.loads(read_tags(path)["comment"]) == text


@pytest.mark.parametrize("format", FORMATS)
def test_tags_that_no_file_can_carry_are_cleaned(tmp_path: Path, format: OutputFormat) -> None:
    path = tmp_path / "sound"
    write_audio(path, tone_audio(), format=format, tags={"title": "a\0b\udcff"})
    assert read_tags(path)["title"] == "ab?"


def test_unknown_tag(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'mood' is unknown: expected one of title, artist"):
        write_audio(tmp_path / "a.wav", tone_audio(), format="wav", tags={"mood": "calm"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
def test_stream_equals_file(tmp_path: Path, format: OutputFormat) -> None:
    class Pipe(io.RawIOBase):
        """Standard output into another program: it can be written and nothing else."""

        def __init__(self) -> None:
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, content: bytes) -> int:  # type: ignore[override]
            self.content += bytes(content)
            return len(content)

    pipe = Pipe()
    write_audio(pipe, tone_audio(1, 32000, 2), format=format)  # type: ignore[arg-type]
    (tmp_path / "piped").write_bytes(pipe.content)
    write_audio(tmp_path / "written", tone_audio(1, 32000, 2), format=format)
    piped, written = read_audio(tmp_path / "piped"), read_audio(tmp_path / "written")
    assert torch.equal(piped.samples, written.samples)


def test_closed_pipe() -> None:
    class Closed(io.BytesIO):
        def write(self, content: object) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(OutputError, match="output stream cannot be written \\(Broken pipe\\)"):
        write_audio(Closed(), tone_audio(), format="wav")


def test_failing_write_keeps_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "song.wav"
    write_audio(path, tone_audio(), format="wav")
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"song\.wav' cannot be written \(No space left"):
        write_audio(path, tone_audio(2), format="wav")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_audio(tmp_path / "song.wav", tone_audio(), format="wav")
    assert not list(tmp_path.iterdir())


def test_unwritable_places(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").write_text("not a folder")
    for target in ("missing/a.wav", "folder.wav", "file/a.wav"):
        with pytest.raises(OutputError, match=r"cannot be written .* choose another place"):
            write_audio(tmp_path / target, tone_audio(), format="wav")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.wav"]


def test_name_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".wav")
    write_audio(path, tone_audio(), format="wav")
    assert path.exists()


@pytest.mark.parametrize(
    ("audio", "format", "error", "message"),
    [
        (Audio(torch.zeros(1, 0), 32000), "wav", AudioError, "no audio to write"),
        (Audio(torch.zeros(100), 32000), "wav", AudioError, r"expected samples \(C, N\)"),
        (Audio(torch.tensor([[0.0, torch.nan]]), 32000), "wav", AudioError, "NaN or infinite"),
        (tone_audio(0.1, 192000), "mp3", OutputError, "at 192000 Hz cannot be written as mp3"),
        (tone_audio(0.1, 32000, 8), "mp3", OutputError, r"8 channel\(s\) at 32000 Hz cannot"),
        (tone_audio(0.1, 32000, 9), "flac", OutputError, r"9 channel\(s\).* as flac"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, audio: Audio, format: OutputFormat, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write_audio(tmp_path / "a", audio, format=format)
    assert not list(tmp_path.iterdir())


def test_format_of() -> None:
    for name in ("wav", "MP3", "Flac", "ogg"):
        assert format_of(f"a/b.c.{name}") == name.lower()
    for name in ("song", "song.m4a", "wav", ".wav"):
        with pytest.raises(OutputError, match=r"expected a name that ends in \.wav, \.mp3"):
            format_of(name)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.m4a", "aac", 32000),
        ("a.mp4", "aac", 44100),
        ("a.opus", "libopus", 48000),
        ("a.webm", "libopus", 48000),
        ("a.m4a", "alac", 44100),
        ("a.aiff", "pcm_s24be", 44100),
        ("a.wav", "pcm_u8", 8000),
        ("a.wav", "pcm_f64le", 192000),
        ("a.wav", "pcm_s32le", 44100),
        ("a.wma", "wmav2", 44100),
        ("a.aac", "aac", 22050),
    ],
)
def test_reads_what_others_write(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = tmp_path / name
    audio = tone_audio(1.5, rate, 2)
    encode(path, audio, codec)
    (tmp_path / "renamed.txt").write_bytes(path.read_bytes())
    for file in (path, tmp_path / "renamed.txt"):  # told by content
        back = read_audio(file)
        assert back.sample_rate == rate
        assert back.samples.shape[0] == 2
        assert back.seconds == pytest.approx(1.5, abs=0.15)  # some formats keep their padding
        middle = slice(rate // 2, rate)
        level = back.samples[:, middle].square().mean().sqrt()
        assert level == pytest.approx(0.4 / 2**0.5, rel=0.05)


def test_variable_rate_mp3_without_an_index_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "stream.mp3"
    time = torch.arange(10 * 32000) / 32000
    loud_later = (0.5 * torch.randn(1, len(time))) * (time > 2)
    encode(path, Audio(loud_later, 32000), "libmp3lame", {"write_xing": "0"})
    assert read_audio(path).seconds == pytest.approx(10, abs=0.15)


@pytest.mark.parametrize("format", FORMATS)
def test_part_of_a_file(tmp_path: Path, format: OutputFormat) -> None:
    path = tmp_path / "sound"
    write_audio(path, tone_audio(3, 32000, 2), format=format)
    whole = read_audio(path).samples
    for start, end in ((0, None), (1.25, None), (0, 0.5), (0.7, 1.9), (2.5, 99.0), (0, 1e-4)):
        part = read_audio(path, start=start, end=end).samples
        last = None if end is None else round(end * 32000)
        assert torch.equal(part, whole[:, round(start * 32000) : last])


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.wav", "", {}),
        ("a.mp3", "", {}),
        ("a.flac", "", {}),
        ("a.ogg", "", {}),
        ("stream.mp3", "libmp3lame", {"write_xing": "0"}),
        ("a.mka", "libmp3lame", {}),
        ("a.m4a", "aac", {}),
        ("a.opus", "libopus", {}),
    ],
)
def test_a_late_part_is_exact_to_a_sample(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = tmp_path / name
    noise = Audio(0.3 * torch.randn(1, 480_000, generator=torch.Generator().manual_seed(0)), 48_000)
    if codec:
        encode(path, noise, codec, options)
    else:
        write_audio(path, noise, format=format_of(path))
    whole = read_audio(path).samples
    for start, end in ((5.0, 5.5), (7.4321, 8.0), (9.5, None)):
        last = None if end is None else round(end * 48_000)
        part = read_audio(path, start=start, end=end).samples
        assert torch.equal(part, whole[:, round(start * 48_000) : last])
    with pytest.raises(TooShortError) as caught:
        read_audio(path, start=20)
    assert caught.value.seconds == whole.shape[1] / 48_000


@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "ogg"])
def test_of_a_late_part_little_is_decoded(
    tmp_path: Path, format: OutputFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sound"
    write_audio(path, tone_audio(60, 8000), format=format)
    decoded = 0

    def counted(self: Any, samples: Any, rate: int) -> Any:
        nonlocal decoded
        decoded += samples.shape[1]
        return wanted(self, samples, rate)

    wanted = decoding._Reader.trim
    monkeypatch.setattr(decoding._Reader, "trim", counted)
    assert read_audio(path, start=50, end=52).seconds == 2
    assert decoded < 12 * 8000  # Vorbis comes in blocks of eight seconds


@settings(max_examples=25, deadline=None)
@given(first=st.integers(0, 9999), length=st.integers(1, 12000))
def test_any_part_is_exact_to_a_sample(
    first: int, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "ramp.wav"
    ramp = torch.arange(10000)[None] / 32768
    if not path.exists():
        write_audio(path, Audio(ramp, 32000), format="wav")
    part = read_audio(path, start=first / 32000, end=(first + length) / 32000)
    assert torch.equal(part.samples, ramp[:, first : first + length])


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        (-1.0, None, RequestError, "start is -1.0, but must be"),
        (float("nan"), None, RequestError, "start is nan"),
        (float("inf"), None, RequestError, "start is inf"),
        (0.5, 0.5, RequestError, "end is 0.5, but must be more seconds than start"),
        (0.5, 0.2, RequestError, "end is 0.2"),
        (0.0, float("nan"), RequestError, "end is nan"),
        (1.0, None, AudioError, r"is 1.00 s long: expected it to go on past the start at 1 s"),
        (7.0, 8.0, AudioError, "past the start at 7 s; choose an earlier start"),
    ],
)
def test_parts_that_make_no_sense(
    tmp_path: Path, start: float, end: float | None, error: type[Exception], message: str
) -> None:
    path = tmp_path / "sound.wav"
    write_audio(path, tone_audio(1), format="wav")
    with pytest.raises(error, match=message):
        read_audio(path, start=start, end=end)


def test_tags_of_a_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(path, "w") as container:
        container.metadata.update({"title": "Lied", "comment": "schön", "lyrics": "la"})
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tones(0.1, 44100).numpy(), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    tags = read_tags(path)
    assert (tags["title"], tags["comment"]) == ("Lied", "schön")
    assert "lyrics" not in tags


def test_audio_knows_its_length() -> None:
    assert tone_audio(2.5, 8000, 2).seconds == 2.5
