from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.nano.codes import frame_at, repeat, sound_number, sounds
from recipes.nano.compose import compose
from recipes.nano.compose.instruments import BASS, DRUMS, SECTIONS
from recipes.nano.score import Excerpt, label_frames, played

seeds = st.integers(0, 2**32)
SECTION = st.integers(0, len(SECTIONS) - 1)


@pytest.mark.parametrize("section", range(len(SECTIONS)))
def test_every_sound_has_a_number_of_its_own(section):
    numbers = [sound_number(sound) for sound in sounds(section)]
    assert numbers == list(range(1, len(numbers) + 1))


@given(st.data(), SECTION, st.integers(1, 120))
def test_a_held_sound_goes_through_its_frames_and_repeats_the_last(data, section, frames):
    sound = data.draw(st.sampled_from(sounds(section)))
    own = sound.player.frames
    for age in range(frames):
        if age < own:
            assert frame_at(sound, age) == age
        elif section == DRUMS:
            assert frame_at(sound, age) is None
        else:
            assert frame_at(sound, age) == frame_at(sound, age - repeat(sound))


def test_what_repeats_holds_nearly_whole_periods():
    for sound in sounds(BASS):
        periods = 440 * 2 ** ((sound.pitches[0] - 69) / 12) * repeat(sound) / 25
        assert abs(periods - round(periods)) / periods < 0.01
    assert frame_at(sounds(DRUMS)[0], 1000) is None


@given(seeds, st.integers(0, 500), st.integers(1, 300))
def test_an_excerpt_is_a_part_of_the_whole(seed, start, frames):
    piece = compose(seed)
    whole = label_frames(Excerpt(piece, 0, start + frames))
    np.testing.assert_array_equal(label_frames(Excerpt(piece, start, frames)), whole[:, start:])


@given(seeds)
def test_a_section_plays_one_sound_at_a_time(seed):
    for section in range(len(SECTIONS)):
        events = [p for p in played(Excerpt(compose(seed), 0, 300)) if p.sound.section == section]
        for one, next_one in pairwise(events):
            assert one.start < one.end <= next_one.start


def test_bars_repeat_label_for_label():
    piece = compose(3)
    cycle = piece.frames_per_bar * len(piece.loop) * piece.passes_per_variation
    start = piece.frames_per_bar * len(piece.intro)
    codes = label_frames(Excerpt(piece, start, 2 * cycle))
    np.testing.assert_array_equal(codes[:, :cycle], codes[:, cycle:])


def test_after_the_last_bar_there_is_silence():
    piece = compose(7)
    bar = piece.frames_per_bar
    codes = label_frames(Excerpt(piece, 0, 6 * bar, last_bar=3))
    assert codes[:, 3 * bar : 3 * bar + 4].any()
    assert not codes[:, 4 * bar :].any()
