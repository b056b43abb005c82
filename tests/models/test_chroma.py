"""Chroma: golden values and what is known of simple tones."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from songloom.models.chroma import HOP, WINDOW, _filters, chroma, chroma_classes, chroma_frames
from tests.golden_values import golden_folder


@pytest.mark.parametrize("name", ["melody_mono", "melody_stereo"])
def test_golden_chroma(name: str) -> None:
    golden = load_file(golden_folder() / name / "expected.safetensors")
    computed = chroma(golden["melody_wav"][:, 0], 32_000)
    assert torch.equal(computed, golden["chroma"])


@pytest.mark.parametrize(("note", "pitch_class"), [(60, 0), (69, 9), (71, 11), (42, 6)])
def test_a_tone_falls_on_its_pitch_class(note: int, pitch_class: int) -> None:
    frequency = 440 * 2 ** ((note - 69) / 12)
    time = torch.arange(64_000) / 32_000
    tone = torch.sin(2 * math.pi * frequency * time)[None]
    frames = chroma(tone, 32_000)
    assert frames.shape == (1, chroma_frames(64_000), 12)
    assert (frames.argmax(-1) == pitch_class).all()


@pytest.mark.parametrize("sample_rate", [16_000, 32_000, 44_100])
@pytest.mark.parametrize("bins", [12, 24])
def test_filters_are_those_of_librosa(sample_rate: int, bins: int) -> None:
    from librosa import filters

    expected = filters.chroma(sr=sample_rate, n_fft=WINDOW, tuning=0, n_chroma=bins)
    torch.testing.assert_close(
        _filters(sample_rate, bins), torch.from_numpy(expected), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("samples", [1, 100, 20_000])
def test_silence_and_short_signals_are_bin_zero(samples: int) -> None:
    frames = chroma(torch.zeros(1, samples), 32_000)
    assert frames.shape[1] == chroma_frames(samples)
    assert (frames.argmax(-1) == 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40 * HOP), st.integers(1, 9))
@example(8 * HOP, 2)
@example(8 * HOP - 1, 8)
def test_classes_in_pieces_are_those_of_the_whole(samples: int, piece: int) -> None:
    wav = torch.randn(1, samples, generator=torch.Generator().manual_seed(samples))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("songloom.models.chroma.PIECE_FRAMES", piece)
        classes = chroma_classes(wav, 32_000)
    assert classes.dtype == torch.uint8
    assert torch.equal(classes.long(), chroma(wav, 32_000)[0].argmax(dim=-1))
