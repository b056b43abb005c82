import numpy as np
import pytest

from recipes.nano.bank import build_bank
from recipes.nano.compose import Note, compose
from recipes.nano.compose.theory import FRAME
from recipes.nano.sampler import MIX_GAIN


def test_a_repeated_bar_is_the_same_to_the_sample(sampler):
    piece = compose(3)
    bar = piece.frames_per_bar
    cycle = bar * len(piece.loop) * piece.passes_per_variation
    audio = sampler.render(piece, cycle + bar)
    np.testing.assert_array_equal(audio[cycle * FRAME :], audio[: bar * FRAME])
    assert np.abs(audio[: bar * FRAME]).max() > 0


def test_a_piece_is_cut_at_any_frame(sampler):
    piece = compose(4)
    whole = sampler.render(piece, 200)
    assert whole.shape == (200 * FRAME,)
    np.testing.assert_array_equal(sampler.render(piece, 33), whole[: 33 * FRAME])


def test_notes_start_on_their_frame_and_end_in_their_bar(sampler):
    note = Note("piano", onset=5, length=3, pitch=60, gain=0.5)
    bar = sampler.render_bar((note,), frames_per_sixteenth=6)
    start, end = 5 * 6 * FRAME, 8 * 6 * FRAME
    assert bar.shape == (16 * 6 * FRAME,)
    assert not bar[:start].any()
    assert not bar[end:].any()
    assert np.abs(bar[start : start + FRAME]).max() > 0.1 * MIX_GAIN * 0.5 * 0.5


def test_notes_add_up(sampler):
    low = Note("piano", 0, 4, 60, 0.5)
    high = Note("flute", 2, 4, 72, 0.5)
    both = sampler.render_bar((low, high), 5)
    np.testing.assert_allclose(
        both, sampler.render_bar((low,), 5) + sampler.render_bar((high,), 5), atol=1e-7
    )


def test_the_mix_does_not_clip(sampler):
    notes = tuple(Note("piano", 0, 16, pitch, 5.0) for pitch in range(52, 84))
    assert np.abs(sampler.render_bar(notes, 5)).max() <= 1.0


def test_a_missing_sound_font_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.sf2.*--sound-font"):
        build_bank(tmp_path / "bank.npz", tmp_path / "none.sf2")
    assert list(tmp_path.iterdir()) == []
