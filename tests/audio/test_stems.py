"""Stem separation."""

import os
import sys
import textwrap
from pathlib import Path

import librosa
import pytest
import torch

from songloom.audio import stems
from songloom.audio.files import Audio
from songloom.audio.stems import (
    demucs_melody,
    harmonic_part,
    keep_everything,
    separate,
    separator,
)
from songloom.errors import AudioError, MissingExtraError
from tests.audio.sounds import tone_audio, tones


def beat(seconds: float, sample_rate: int) -> torch.Tensor:
    samples = torch.zeros(1, round(seconds * sample_rate))
    samples[:, :: sample_rate // 4] = 0.9
    return samples


def test_none_takes_the_whole() -> None:
    audio = tone_audio()
    assert separate(audio, "none") is audio
    assert [separator(choice) for choice in ("none", "harmonic", "demucs")] == [
        keep_everything,
        harmonic_part,
        demucs_melody,
    ]


def test_harmonic_part_keeps_tones_and_drops_beats() -> None:
    tone, strokes = tones(1, 32000), beat(1, 32000)
    kept = separate(Audio(tone + strokes, 32000), "harmonic")
    assert kept.sample_rate == 32000
    middle = slice(4000, -4000)
    assert (kept.samples - tone)[:, middle].square().mean() < 0.002  # of 0.08
    assert kept.samples.abs().max() < 0.6  # of 1.3


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 1000, 4 * 512, 8 * 512 + 1, 20000])
def test_harmonic_part_in_chunks_equals_the_whole(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stems, "CHUNK_FRAMES", 8)
    torch.manual_seed(0)
    samples = 0.1 * torch.randn(2, length) + torch.sin(torch.arange(length) / 10)
    result = harmonic_part(Audio(samples, 32000)).samples
    assert result.shape == samples.shape
    assert result.isfinite().all()
    if length > stems.FFT:
        whole = torch.from_numpy(librosa.effects.harmonic(samples.numpy()))
        torch.testing.assert_close(result, whole, atol=1e-5, rtol=0)


def fake_demucs(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """Put a program named demucs on the PATH that does what `body` says."""
    program = folder / "bin" / "demucs"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(body)}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return program


SPLIT = """
    import json, pathlib, sys
    import numpy as np, soundfile
    arguments = sys.argv[1:]
    recording = pathlib.Path(arguments[-1])
    pathlib.Path(__file__).with_name("arguments.json").write_text(json.dumps(arguments))
    samples, _ = soundfile.read(recording)
    folder = pathlib.Path(arguments[arguments.index("--out") + 1], "htdemucs", recording.stem)
    folder.mkdir(parents=True)
    parts = {"vocals": 0.5, "drums": 0.1, "bass": 0.1, "other": 1.0}
    for name, share in parts.items():
        soundfile.write(folder / f"{name}.wav", np.full((44100, 2), share), 44100, "FLOAT")
"""


@pytest.mark.skipif(os.name == "nt", reason="needs executable scripts")
def test_demucs_keeps_vocals_and_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake_demucs(tmp_path, monkeypatch, SPLIT)
    melody = separate(tone_audio(1, 32000, 2), "demucs")
    assert melody.sample_rate == 44100
    assert torch.equal(melody.samples, torch.full((2, 44100), 1.5))  # not clipped
    assert '"--name", "htdemucs"' in program.with_name("arguments.json").read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["bin"]  # nothing is left behind


@pytest.mark.skipif(os.name == "nt", reason="needs executable scripts")
def test_demucs_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_demucs(tmp_path, monkeypatch, "import sys; sys.exit('no weights\\n')")
    with pytest.raises(AudioError, match=r"demucs failed with exit code 1 \(no weights\).*'none'"):
        separate(tone_audio(), "demucs")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bin"]


def test_demucs_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"expected on the PATH; install it .*'harmonic'"):
        separate(tone_audio(), "demucs")
