"""Pictures of sound."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from songloom.audio.preview import spectrogram_art, waveform_art
from tests.audio.sounds import tones


def test_waveform_of_silence_is_a_line_in_the_middle() -> None:
    *rows, axis = waveform_art(torch.zeros(2, 32000), 32000, width=10, height=4).splitlines()
    assert [set(row) for row in rows] == [{"⠀"}, {"⠀"}, {"⠉"}, {"⠀"}]
    assert axis == "0 s  1.0 s"


def test_waveform_shows_where_it_is_loud() -> None:
    samples = torch.zeros(1, 32000)
    samples[:, 16000:] = tones(0.5, 32000) / 0.4
    *rows, _ = waveform_art(samples, 32000, width=20, height=8).splitlines()
    assert {row[:10] for row in (rows[0], rows[-1])} == {"⠀" * 10}
    assert rows[2][10:] == "⣿" * 10


def test_waveform_does_not_leave_its_frame() -> None:
    *rows, _ = waveform_art(5 * torch.randn(1, 5000), 32000, width=20, height=3).splitlines()
    assert all(character == "⣿" for row in rows for character in row)


def test_spectrogram_shows_pitch_and_time() -> None:
    time = torch.arange(32000) / 32000
    low, high = (torch.sin(2 * torch.pi * pitch * time) for pitch in (120.0, 3000.0))
    art = spectrogram_art(torch.cat([low, high])[None], 32000, width=20, height=8)
    *rows, axis = art.splitlines()
    assert (rows[6][4], rows[6][15]) == ("█", " ")
    assert (rows[1][4], rows[1][15]) == (" ", "█")
    assert axis.endswith("2.0 s")


def test_spectrogram_of_silence_is_blank() -> None:
    art = spectrogram_art(torch.zeros(1, 32000), 32000, width=20, height=4)
    assert set("".join(art.splitlines()[:-1])) == {" "}


@pytest.mark.slow
@pytest.mark.parametrize("art", [waveform_art, spectrogram_art])
@given(data=st.data())
def test_size(art, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    channels, length = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 5000))
    width, height = data.draw(st.integers(10, 80)), data.draw(st.integers(1, 10))
    rate = data.draw(st.sampled_from([8000, 32000, 192000]))
    rows = art(torch.randn(channels, length), rate, width, height).splitlines()
    assert len(rows) == height + 1
    assert {len(row) for row in rows} == {width}
