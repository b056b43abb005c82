"""Vocals removed."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from songloom.audio import vocals
from songloom.audio.files import Audio
from songloom.audio.vocals import (
    builtin_remover,
    demucs_remover,
    resolve_separator,
    vocal_remover,
)
from songloom.errors import AudioError, MissingExtraError
from tests.audio.sounds import tone_audio
from tests.audio.test_stems import fake_demucs

RATE = 16_000


def accompaniment(seconds: int) -> Tensor:
    """Two seconds of chords and beats over and over: (1, N)."""
    time = torch.arange(2 * RATE) / RATE
    loop = torch.zeros(2 * RATE)
    for beat, pitches in enumerate(((220, 277, 330), (196, 247, 294), (175, 220, 262), (165, 208))):
        since = time - 0.5 * beat
        sounding = (since >= 0) * torch.exp(-2 * since.clamp(min=0))
        for hertz in pitches:
            loop += 0.1 * sounding * torch.sin(2 * math.pi * hertz * time)
        noise = torch.randn(2 * RATE, generator=torch.Generator().manual_seed(beat))
        loop += 0.1 * (since >= 0) * torch.exp(-40 * since.clamp(min=0)) * noise
    return loop.repeat(seconds // 2)[None]


def singer(seconds: int) -> Tensor:
    """A harmonic voice that glides at random and does not repeat: (1, N)."""
    random = np.random.default_rng(0)
    notes = np.repeat(random.uniform(55, 74, 3 * seconds), RATE // 3 + 1)[: seconds * RATE]
    smooth = np.convolve(notes, np.ones(1600) / 1600, mode="same")
    waver = 0.5 * np.sin(2 * math.pi * 5.5 * np.arange(len(smooth)) / RATE)
    phase = 2 * math.pi * np.cumsum(440 * 2 ** ((smooth + waver - 69) / 12)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    return torch.from_numpy(0.15 * voice).float()[None]


def si_sdr(heard: Tensor, wanted: Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019)."""
    wanted = wanted * (heard * wanted).sum() / wanted.square().sum()
    return 10 * math.log10(float(wanted.square().sum() / (heard - wanted).square().sum()))


def removed(audio: Audio) -> Tensor:
    return torch.cat(list(builtin_remover(audio)), dim=1)


@pytest.mark.parametrize("channels", [1, 2])
def test_what_repeats_stays_and_a_voice_goes(channels: int) -> None:
    music, voice = accompaniment(20), 0.6 * singer(20)
    if channels == 2:
        music = torch.cat([music, music.roll(800, dims=1)])
    kept = removed(Audio(music + voice, RATE))
    assert kept.shape == music.shape
    before, after = si_sdr(music + voice, music), si_sdr(kept, music)
    assert after > before + 2, (before, after)


def test_music_alone_is_hardly_changed() -> None:
    music = accompaniment(20)
    assert si_sdr(removed(Audio(music, RATE)), music) > 12


def test_chunks_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    music = accompaniment(30)
    audio = Audio(music + singer(30), RATE)
    whole = removed(audio)
    monkeypatch.setattr(vocals, "CHUNK_SECONDS", 14.0)
    monkeypatch.setattr(vocals, "OVERLAP_SECONDS", 2.0)
    pieces = list(builtin_remover(audio))
    assert [piece.shape[1] for piece in pieces] == [149_333, 149_334, 181_333]
    joined = torch.cat(pieces, dim=1)
    assert joined.shape == whole.shape
    # A seam would be a jump: steps there are as large as they are anywhere.
    steps = joined.diff().abs()[0]
    for seam in (149_333, 298_667):
        assert steps[seam - 50 : seam + 50].max() <= steps.max() * 0.9
    assert si_sdr(joined, music) > si_sdr(whole, music) - 1  # with less to compare with


def test_pieces_that_change_nothing_join_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.randn(2, 10_001)
    for seconds, overlap in ((0.1, 0.02), (0.5, 0.1), (2.0, 0.5)):
        pieces = vocals._process_crossfaded(
            Audio(samples, 8000), seconds, overlap, lambda part: part
        )
        torch.testing.assert_close(torch.cat(list(pieces), dim=1), samples)


@pytest.mark.parametrize("length", [0, 1, 4000, 7 * 8000])
@pytest.mark.parametrize("channels", [1, 2])
def test_odd_sounds(length: int, channels: int) -> None:
    silence = removed(Audio(torch.zeros(channels, length), 8000))
    assert silence.shape == (channels, length)
    assert (silence == 0).all()
    noise = removed(Audio(0.1 * torch.randn(channels, length), 8000))
    assert noise.shape == (channels, length)
    assert noise.isfinite().all()


def test_names() -> None:
    assert vocal_remover("builtin") is builtin_remover
    assert vocal_remover("demucs") is demucs_remover


HALVE = """
    import json, pathlib, sys
    import soundfile
    arguments = sys.argv[1:]
    assert arguments[arguments.index("--two-stems") + 1] == "vocals"
    recording = pathlib.Path(arguments[-1])
    samples, rate = soundfile.read(recording, always_2d=True)
    folder = pathlib.Path(arguments[arguments.index("--out") + 1], "htdemucs", recording.stem)
    folder.mkdir(parents=True)
    soundfile.write(folder / "no_vocals.wav", samples[:, [0, -1]] / 2, rate, "FLOAT")
    with pathlib.Path(__file__).with_name("calls").open("a") as calls:
        calls.write(f"{len(samples)}\\n")
"""


@pytest.mark.skipif(os.name == "nt", reason="needs executable scripts")
def test_demucs_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake_demucs(tmp_path, monkeypatch, HALVE)
    monkeypatch.setattr(vocals, "DEMUCS_SECONDS", 1.0)
    monkeypatch.setattr(vocals, "DEMUCS_OVERLAP", 0.25)
    assert resolve_separator("auto") == "demucs"
    audio = tone_audio(2.5, 32000)
    kept = torch.cat(list(vocal_remover("auto")(audio)), dim=1)
    torch.testing.assert_close(kept, audio.samples / 2, atol=1e-4, rtol=0)
    lengths = [int(line) for line in program.with_name("calls").read_text().split()]
    assert lengths == [32000, 32000, 32000]


@pytest.mark.skipif(os.name == "nt", reason="needs executable scripts")
def test_demucs_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_demucs(tmp_path, monkeypatch, "import sys; sys.exit('no weights\\n')")
    with pytest.raises(AudioError, match=r"\(no weights\).*'builtin'"):
        list(demucs_remover(tone_audio()))


def test_demucs_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert resolve_separator("auto") == "builtin"
    assert vocal_remover("auto") is builtin_remover
    with pytest.raises(MissingExtraError, match=r"pipx install demucs.*'builtin'"):
        list(demucs_remover(tone_audio()))
