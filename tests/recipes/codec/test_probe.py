import numpy as np
import pytest
import soundfile
import torch

from recipes.nano.codec.losses import measure_losses
from recipes.nano.codec.probe import measure_fidelity, read_pieces
from tests.recipes.codec.sounds import draw_mixes


def test_what_is_left_as_it_is_is_carried_wholly():
    piece = torch.from_numpy(draw_mixes(2).reshape(-1) / 32767).float()
    same = measure_fidelity([piece], lambda audio: audio)
    assert same.mel == 0
    assert same.chroma == 1
    assert same.si_sdr > 100


def test_half_as_loud_is_a_known_distance_away():
    piece = torch.from_numpy(draw_mixes(2).reshape(-1) / 32767).float()
    softer = measure_fidelity([piece], lambda audio: audio / 2)
    assert 1.0 < softer.mel < np.log(4)  # less where there is silence
    assert softer.si_sdr > 100  # whatever the level


def test_pieces_are_read_from_long_recordings_only(tmp_path):
    sound = np.concatenate([draw_mixes(1)[0]] * 16) / 32767
    soundfile.write(tmp_path / "long.wav", sound, 32_000)
    soundfile.write(tmp_path / "short.wav", sound[:32_000], 32_000)
    soundfile.write(tmp_path / "silent.wav", 0 * sound, 32_000)
    (tmp_path / "notes.txt").write_text("no music")
    pieces = list(read_pieces(tmp_path))
    assert [len(piece) for piece in pieces] == [320_000]


def test_losses_are_nothing_for_the_same_and_finite_for_silence():
    audio = torch.from_numpy(draw_mixes(2)[:, :12_800] / 32767).float()
    same = measure_losses(audio, audio, torch.ones(640))
    assert float(same.mel) == 0
    assert float(same.tones) < 1e-3
    assert float(same.wave) == pytest.approx(-30, abs=0.1)
    silent = measure_losses(0 * audio, 0 * audio, torch.ones(640))
    assert all(torch.isfinite(part) for part in vars(silent).values())
