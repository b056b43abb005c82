"""Of the recordings that a request names, the part that is used is read, and no more."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from songloom.audio import decoding
from songloom.audio.files import Audio, read_audio, write_audio
from songloom.audio.stems import harmonic_part, separate
from songloom.audio.transforms import convert
from songloom.errors import AudioError, RequestError
from songloom.generation.inputs import InputFormat, followed_seconds, read_inputs
from songloom.request import GenerationRequest, OutputFormat

MODEL = InputFormat(
    model="tiny",
    sample_rate=16_000,
    channels=1,
    hop=320,
    frame_rate=50,
    window_seconds=4.0,
    melody=True,
)
SECONDS = 40


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    noise = torch.rand(2, SECONDS * 22_050, generator=torch.Generator().manual_seed(0)) - 0.5
    steps = (
        torch.arange(SECONDS).repeat_interleave(22_050) / SECONDS
    )  # each second sounds otherwise
    return Audio(noise * steps, 22_050)


@pytest.fixture
def decoded_seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Counts what is decoded, in its only item."""
    counted, wanted = [0.0], decoding._Reader.trim

    def count(self: Any, samples: Any, rate: int) -> Any:
        counted[0] += samples.shape[1] / rate
        return wanted(self, samples, rate)

    monkeypatch.setattr(decoding._Reader, "trim", count)
    return counted


def follow(path: Path, duration: float, **fields: Any) -> GenerationRequest:
    return GenerationRequest(input_audio=path, duration=duration, **fields)


def continued(path: Path, duration: float, **fields: Any) -> GenerationRequest:
    return follow(path, duration, continuation=True, **fields)


@pytest.mark.parametrize(
    ("duration", "known", "seconds"),
    # A window of 4 s moves on by 2.4 s.
    [
        (2, 0, 4.0),
        (4, 0, 4.0),
        (6, 0, 6.4),
        (8, 0, 8.8),
        (8, 150, 8.8),
        (8, 300, 8.4),
        (8, 390, 10.2),
    ],
)
def test_a_melody_is_followed_to_the_end_of_the_last_window(
    duration: float, known: int, seconds: float
) -> None:
    request = GenerationRequest(prompt="a", duration=duration)
    assert followed_seconds(request, MODEL, known) == pytest.approx(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "ogg"])
@pytest.mark.parametrize("stems", ["none", "harmonic"])
def test_a_melody_is_that_of_the_whole_as_far_as_it_is_followed(
    tmp_path: Path,
    recording: Audio,
    decoded_seconds: list[float],
    format: OutputFormat,
    stems: str,
) -> None:
    path = tmp_path / f"a.{format}"
    write_audio(path, recording, format=format)
    whole = convert(separate(read_audio(path), stems), 16_000, 1).samples  # type: ignore[arg-type]
    decoded_seconds[0] = 0.0
    melody = read_inputs(follow(path, 6, melody_stems=stems), MODEL).melody
    assert melody is not None
    assert melody.shape == (1, round(6.4 * 16_000))
    torch.testing.assert_close(melody, whole[:, : melody.shape[1]], atol=1e-5, rtol=0)
    assert decoded_seconds[0] < 13


def test_a_short_melody_is_taken_whole(tmp_path: Path, recording: Audio) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, replace(recording, samples=recording.samples[:, :22_050]), format="wav")
    melody = read_inputs(follow(path, 30), MODEL).melody
    assert melody is not None
    expected = convert(harmonic_part(read_audio(path)), 16_000, 1).samples
    assert torch.equal(melody, expected)


def test_many_channels_and_high_rates_are_reduced_before_a_melody_is_separated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import soundfile

    path = tmp_path / "a.wav"
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(192_000) / 192_000)
    soundfile.write(path, tone[:, None].expand(-1, 12).numpy(), 192_000)
    separated: list[Audio] = []

    def separate_nothing(audio: Audio, stems: str) -> Audio:
        separated.append(audio)
        return audio

    monkeypatch.setattr("songloom.generation.inputs.separate", separate_nothing)
    melody = read_inputs(follow(path, 2), MODEL).melody
    assert separated[0].samples.shape == (2, 96_000)
    assert melody is not None
    spectrum = torch.fft.rfft(melody[0]).abs()
    assert spectrum.argmax() == 440


def test_a_late_clip_is_found_without_decoding_what_lies_before(
    tmp_path: Path, recording: Audio, decoded_seconds: list[float]
) -> None:
    path = tmp_path / "a.flac"
    write_audio(path, recording, format="flac")
    clip = read_inputs(continued(path, 8, continuation_start=30, continuation_end=32), MODEL).clip
    assert decoded_seconds[0] < 4
    part = read_audio(path, start=30, end=32)
    assert clip is not None
    torch.testing.assert_close(clip, convert(part, 16_000, 1).samples, atol=1e-5, rtol=0)


def test_a_clip_that_is_too_long_is_refused_before_it_is_read_to_its_end(
    tmp_path: Path, recording: Audio, decoded_seconds: list[float]
) -> None:
    path = tmp_path / "a.flac"
    write_audio(path, recording, format="flac")
    with pytest.raises(RequestError, match=r"the clip that is continued is 40\.00 s long already"):
        read_inputs(continued(path, 2), MODEL)
    assert decoded_seconds[0] < 3


def test_ends_are_those_of_the_recording(tmp_path: Path, recording: Audio) -> None:
    path = tmp_path / "a.flac"
    write_audio(path, recording, format="flac")
    with pytest.raises(RequestError, match=r"continuation_end is 41 s, but .* is only 40\.00 s"):
        read_inputs(continued(path, 9, continuation_start=38, continuation_end=41), MODEL)
    with pytest.raises(RequestError, match=r"continuation_start is 50 s, but .* is only 40\.00 s"):
        read_inputs(continued(path, 9, continuation_start=50), MODEL)
    clip = read_inputs(continued(path, 9, continuation_start=38), MODEL).clip
    assert clip is not None
    assert clip.shape == (1, 32_000)


def test_a_truncated_recording_is_used_as_far_as_it_is_needed(
    tmp_path: Path, recording: Audio
) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, recording, format="wav")
    path.write_bytes(path.read_bytes()[:-1_000_000])
    assert read_inputs(follow(path, 4), MODEL).melody is not None
    with pytest.raises(AudioError, match="is truncated"):
        read_inputs(continued(path, 60), MODEL)
