"""Spectrograms as images: what is where."""

from io import BytesIO

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from songloom.audio.spectrogram import COLORS, height_of, spectrogram_png


def pixels(png: bytes) -> npt.NDArray[np.uint8]:
    """Decode an image: (height, width, 3), the top first."""
    with av.open(BytesIO(png)) as container:
        frame: npt.NDArray[np.uint8] = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return frame


def sine(frequency: float, seconds: float, rate: int = 32000) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * frequency * torch.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("frequency", [60.0, 440.0, 5000.0, 14000.0])
def test_a_tone_is_bright_at_its_height(frequency: float) -> None:
    image = pixels(spectrogram_png(sine(frequency, 3)[None], 32000, 60, 160)).astype(int)
    brightest = image.sum(axis=2)[:, 30].argmax()
    assert 160 * (1 - height_of(frequency, 32000)) == pytest.approx(brightest, abs=2)


def test_time_goes_right() -> None:
    samples = torch.cat([torch.zeros(32000), sine(440, 1)])[None].repeat(2, 1)
    image = pixels(spectrogram_png(samples, 32000, 100, 40)).astype(int).sum(axis=2)
    assert (image[:, 10] == sum(COLORS[0])).all()
    assert image[:, 90].max() > 600


def test_a_click_between_columns_is_seen() -> None:
    samples = torch.zeros(1, 60 * 32000)
    samples[:, 30 * 32000 + 1234] = 1.0
    image = pixels(spectrogram_png(samples, 32000, 40, 40)).astype(int).sum(axis=2)
    assert image[:, 20].min() > image[:, 5].max()


def test_heights_go_from_bottom_to_top() -> None:
    assert height_of(0, 32000) == 0
    assert height_of(16000, 48000) == height_of(4000, 8000) == 1


@given(st.integers(1, 2), st.integers(0, 9000), st.sampled_from([8000, 44100]), st.integers(1, 70))
def test_every_sound_has_a_picture(channels: int, length: int, rate: int, width: int) -> None:
    samples = torch.linspace(-1, 1, channels * length).reshape(channels, length)
    assert pixels(spectrogram_png(samples, rate, width, 20)).shape == (20, width, 3)


def test_silence_is_dark() -> None:
    image = pixels(spectrogram_png(torch.zeros(1, 32000), 32000, 20, 20))
    assert (image == np.array(COLORS[0])).all()
