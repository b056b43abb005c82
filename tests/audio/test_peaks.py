"""The outline of a sound."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from songloom.audio.peaks import PEAKS, outline
from songloom.errors import AudioError


def written(path: Path, samples: npt.NDArray[np.float64]) -> Path:
    soundfile.write(path, samples, 32_000, subtype="PCM_16")
    return path


def test_it_follows_the_sound(tmp_path: Path) -> None:
    rate, seconds = 32_000, 10
    rising = np.linspace(0, 1, rate * seconds) * np.sign(np.sin(np.arange(rate * seconds)))
    drawn = outline(written(tmp_path / "a.wav", rising))
    assert drawn.seconds == seconds
    assert len(drawn.peaks) == PEAKS
    assert np.allclose(drawn.peaks, np.linspace(1 / PEAKS, 1, PEAKS), atol=0.003)


def test_the_louder_channel_counts(tmp_path: Path) -> None:
    sound = np.zeros((32_000, 2))
    sound[16_000, 1] = -0.5
    drawn = outline(written(tmp_path / "a.wav", sound))
    assert max(drawn.peaks) == 0.5
    assert drawn.peaks.index(0.5) == pytest.approx(PEAKS / 2, abs=1)


def test_levels_lie_within_the_peaks(tmp_path: Path) -> None:
    sound = np.zeros((32_000, 2))
    sound[:16_000] = np.sin(np.arange(16_000) * 0.3)[:, None]  # a tone, then one click
    sound[24_000] = 0.9
    drawn = outline(written(tmp_path / "a.wav", sound))
    assert len(drawn.rms) == len(drawn.peaks)
    assert drawn.rms[PEAKS // 4] == pytest.approx(np.sqrt(0.5), abs=0.03)
    click = drawn.peaks.index(0.9)
    assert drawn.rms[click] == pytest.approx(0.9 / np.sqrt(80), abs=0.002)
    assert all(0 <= rms <= peak for rms, peak in zip(drawn.rms, drawn.peaks, strict=True))


@pytest.mark.parametrize(("frames", "peaks"), [(1, 1), (16, 1), (17, 2), (1000, 63)])
def test_short_sounds_have_fewer_points(tmp_path: Path, frames: int, peaks: int) -> None:
    drawn = outline(written(tmp_path / "a.wav", np.full(frames, 0.25)))
    assert drawn.peaks == (0.25,) * peaks
    assert drawn.seconds == frames / 32_000


def test_it_stays_within_its_bounds(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(32_000, 3.0), 32_000, subtype="FLOAT")
    assert set(outline(tmp_path / "a.wav").peaks) == {1.0}


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("hello")
    with pytest.raises(AudioError):
        outline(tmp_path / "a.wav")
