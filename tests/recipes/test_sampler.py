import numpy as np
import pytest

from recipes.nano.bank import build_bank, held
from recipes.nano.compose import compose
from recipes.nano.compose.instruments import DRUMS, MELODY
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE
from recipes.nano.sampler import EVERYTHING, Sampler
from recipes.nano.score import Excerpt, label_frames
from tests.recipes.banks import tone_bank


def test_a_repeated_bar_is_the_same_to_the_sample(sampler):
    piece = compose(3)
    start, bar = len(piece.intro) * piece.frames_per_bar, piece.frames_per_bar
    cycle = bar * len(piece.loop) * piece.passes_per_variation
    audio = sampler.render(Excerpt(piece, start, cycle + bar))
    np.testing.assert_array_equal(audio[cycle * FRAME :], audio[: bar * FRAME])
    assert np.abs(audio[: bar * FRAME]).max() > 0


def test_a_piece_is_cut_at_any_frame(sampler):
    piece = compose(4)
    whole = sampler.render(Excerpt(piece, 0, 200))
    assert whole.shape == (200 * FRAME,)
    part = sampler.render(Excerpt(piece, 37, 60))
    # The last sound fades out at the cut.
    np.testing.assert_array_equal(part[: 59 * FRAME], whole[37 * FRAME : 96 * FRAME])


def test_sections_add_up(sampler):
    excerpt = Excerpt(compose(5), 0, 150)
    each = [sampler.render(excerpt, frozenset([section])) for section in EVERYTHING]
    np.testing.assert_allclose(sum(each), sampler.render(excerpt), atol=1e-6)


def test_there_is_no_sound_where_nothing_is_played(sampler):
    for seed in range(6):
        excerpt = Excerpt(compose(seed), 0, 120)
        for section in (DRUMS, MELODY):
            frames = sampler.render(excerpt, frozenset([section])).reshape(-1, FRAME)
            silent = label_frames(excerpt)[section] == 0
            assert not frames[silent].any()
            assert frames[~silent].any() or silent.all()


def test_the_mix_stays_in_range():
    loud = Sampler({name: 20 * tones for name, tones in tone_bank().items()})
    assert np.abs(loud.render(Excerpt(compose(1), 0, 100))).max() <= 1.0


@pytest.mark.parametrize(("hertz", "again"), [(110.3, 5), (261.0, 6), (523.7, 4)])
@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_a_held_tone_goes_on_without_a_seam_and_at_one_level(hertz, again, decay):
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    note = (np.sin(2 * np.pi * hertz * time) * np.exp(-decay * time)).astype(np.float32)
    frames = held(note, frames=15, again=again)
    assert frames.shape == (15, FRAME)
    repeated = np.concatenate([frames, frames[-again:], frames[-again:]]).reshape(-1)
    steepest = 1.1 * 2 * np.pi * hertz / SAMPLE_RATE
    assert np.abs(np.diff(repeated)).max() < steepest
    levels = np.sqrt(np.square(frames[-again:]).mean(axis=1))
    assert levels.min() > 0.8 * levels.max()


def test_a_missing_sound_font_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.sf2.*--sound-font"):
        build_bank(tmp_path / "bank.npz", tmp_path / "none.sf2")
    assert list(tmp_path.iterdir()) == []
