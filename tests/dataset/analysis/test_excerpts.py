"""What of a song is listened to."""

import numpy as np
import pytest
import torch

from songloom.audio.files import Audio
from songloom.dataset.analysis import excerpts as module
from songloom.dataset.analysis.excerpts import EXCERPT_SECONDS, RATE, excerpts, frames


def test_a_short_song_is_heard_whole_in_mono() -> None:
    samples = torch.stack([torch.ones(8000), -torch.ones(8000)])
    (heard,) = excerpts(Audio(samples, 8000))
    assert heard.shape == (RATE,)
    assert (heard == 0).all()


def test_of_a_long_song_start_middle_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXCERPT_SECONDS", 1.0)
    ramp = torch.arange(10 * RATE) / (10 * RATE)
    heard = excerpts(Audio(ramp[None], RATE))
    assert [len(part) for part in heard] == [RATE] * 3
    assert [part[0] for part in heard] == pytest.approx([0, 0.45, 0.9], abs=1e-6)


def test_an_hour_in_memory_maps_is_read_in_part() -> None:
    samples = torch.zeros(1, 1).expand(1, 3600 * 8000)  # as large as it looks only if it is copied
    heard = excerpts(Audio(samples, 8000))
    assert sum(map(len, heard)) == 3 * EXCERPT_SECONDS * RATE


def test_what_is_no_number_is_silence() -> None:
    samples = torch.tensor([[1.0, torch.nan, torch.inf, -torch.inf] * 100])
    (heard,) = excerpts(Audio(samples, RATE))
    assert np.isfinite(heard).all()
    assert heard[1] == 0


def test_frames_are_centred() -> None:
    cut = frames(np.arange(1, 9, dtype=np.float32), 4, 2)
    assert cut.tolist() == [[0, 0, 1, 2], [1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 8], [7, 8, 0, 0]]
