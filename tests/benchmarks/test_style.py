import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.style import (
    HELD_OUT,
    KINDS,
    SAMPLE_RATE,
    SECONDS,
    SONGS,
    Sound,
    Yardstick,
    describe,
    example_excerpts,
    excerpts,
    separation,
)


def tune(hertz: tuple[float, ...], interval: float, seconds: float = 4.0) -> Sound:
    """Decaying notes, one every `interval` seconds, of these pitches in turn."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    index = (time // interval).astype(int)
    pitch = np.array(hertz)[index % len(hertz)]
    since = time % interval
    return (0.3 * np.sin(2 * np.pi * pitch * since) * np.exp(-6 * since)).astype(np.float32)


CLIPS = [tune((220, 330, 440), 0.25), tune((262,), 0.5), tune((440, 466, 494, 523), 0.125)]


@settings(deadline=None, max_examples=8)
@given(gain=st.floats(0.01, 3.0))
def test_level_does_not_count(gain):
    for kind, louder in zip(describe(CLIPS[0]), describe(gain * CLIPS[0]), strict=True):
        np.testing.assert_allclose(louder, kind, atol=1e-2)


def test_silence_has_no_style():
    with pytest.raises(ValueError, match="silent"):
        describe(np.zeros(SAMPLE_RATE, np.float32))


def test_statistics_are_finite_even_for_noise_and_a_single_click():
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[5000] = 1.0
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    for clip in (click, noise):
        assert all(np.isfinite(kind).all() for kind in describe(clip))


def test_a_clip_of_the_style_is_near_and_others_are_farther():
    yardstick = Yardstick.of(CLIPS[:1], CLIPS)
    assert yardstick.distance(CLIPS[0]) == 0
    assert all(yardstick.distance(clip) > 0.5 for clip in CLIPS[1:])
    assert len(yardstick.distances(CLIPS[1])) == len(KINDS)


def test_rhythm_hears_tempo_and_harmony_hears_chords():
    slow, fast = tune((220,), 0.5), tune((220,), 0.125)
    rhythm, harmony = KINDS.index("rhythm"), KINDS.index("harmony")
    assert describe(fast)[rhythm][0] > 2 * describe(slow)[rhythm][0]
    moving = tune((220, 277, 330), 0.5)
    assert describe(moving)[harmony][0] > describe(slow)[harmony][0] + 0.5


def test_separation_is_the_chance_of_the_right_order():
    assert separation([1, 2], [3, 4]) == 1
    assert separation([3, 4], [1, 2]) == 0
    assert separation([1, 3], [2, 3]) == 0.625


def test_excerpts_are_whole():
    song = np.arange(SAMPLE_RATE * (2 * SECONDS + 1), dtype=np.float32)
    first, second = excerpts(song)
    assert len(first) == len(second) == SECONDS * SAMPLE_RATE
    assert second[0] == first[-1] + 1


def test_held_out_songs_are_among_the_examples_and_apart_from_the_others():
    assert all((SONGS / f"{name}.ogg").exists() for name in HELD_OUT)
    assert len(example_excerpts(held_out=True)) == 8
    assert len(example_excerpts(held_out=False)) == 24
