from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recipes.nano.compose import compose
from recipes.nano.compose.instruments import BAND, DRUMS, HARMONY, HARMONY_LOW, MELODY
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import (
    FRAME,
    FRAME_RATE,
    MODES,
    SAMPLE_RATE,
    STEPS,
    Key,
    beats_per_minute,
    close_position,
    step_frame,
)

seeds = st.integers(0, 2**32)


def bars(piece):
    return (*piece.intro, *piece.loop, *piece.variation, piece.ending)


def test_the_grid_is_that_of_the_codec():
    assert FRAME * FRAME_RATE == SAMPLE_RATE
    assert FRAME % 640 == 0
    assert beats_per_minute(6) == 125.0


@given(st.integers(4, 12))
def test_every_sixteenth_lasts_whole_frames_and_the_second_of_a_pair_no_longer(eighth):
    starts = [step_frame(step, eighth) for step in range(STEPS + 1)]
    lengths = [end - start for start, end in pairwise(starts)]
    assert starts[-1] == 8 * eighth
    for first, second in zip(lengths[::2], lengths[1::2], strict=True):
        assert first + second == eighth
        assert first - second in (0, 1)


@given(seeds)
def test_a_seed_gives_one_piece(seed):
    assert compose(seed) == compose(seed)


def test_seeds_give_different_pieces():
    assert len({compose(seed).loop for seed in range(200)}) > 195


@given(seeds)
def test_events_stay_inside_their_bar_and_follow_each_other(seed):
    for bar in bars(compose(seed)):
        for section in range(4):
            onsets = [event.onset for event in bar if event.sound.section == section]
            assert onsets == sorted(set(onsets))
        for event in bar:
            assert 0 <= event.onset < STEPS
            assert event.length >= 1
            if event.sound.section != DRUMS:
                assert event.onset + event.length <= STEPS


@given(seeds)
def test_pitches_belong_to_the_key_and_to_the_instrument(seed):
    piece = compose(seed)
    for event in (event for bar in bars(piece) for event in bar):
        for pitch in event.sound.pitches:
            assert pitch % 12 in piece.key.pitch_classes
            assert pitch in event.sound.player.pitches


@given(seeds)
def test_the_piece_names_exactly_the_instruments_that_play(seed):
    piece = compose(seed)
    playing = {event.sound.instrument for bar in bars(piece) for event in bar}
    assert playing == set(piece.instruments)


@given(seeds)
def test_chords_are_major_or_minor(seed):
    for bar in compose(seed).loop:
        for event in bar:
            if event.sound.section == HARMONY and len(event.sound.pitches) == 3:
                one, two, three = event.sound.pitches
                assert sorted((two - one, three - two, 12 + one - three)) in ([3, 4, 5],)


@given(seeds, st.integers(0, 50))
def test_a_pass_of_the_loop_comes_back(seed, bar):
    piece = compose(seed)
    bar += len(piece.intro)
    assert piece.bar(bar) == piece.bar(bar + len(piece.loop) * piece.passes_per_variation)


@given(seeds)
def test_an_introduction_has_neither_tune_nor_drums(seed):
    for bar in compose(seed).intro:
        assert bar
        assert not {event.sound.section for event in bar} & {MELODY, DRUMS}


@given(seeds)
def test_the_ending_is_the_tonic(seed):
    piece = compose(seed)
    pitches = {pitch % 12 for event in piece.ending for pitch in event.sound.pitches}
    assert pitches <= set(piece.key.triad(0))
    assert piece.key.tonic in pitches


def test_variety():
    pieces = [compose(seed) for seed in range(900)]
    assert {piece.style for piece in pieces} == {style.name for style in STYLES}
    assert len(STYLES) >= 10
    instruments = {name for piece in pieces for name in piece.instruments}
    assert instruments == {player.name for player in BAND}
    assert len(instruments) >= 12
    assert {piece.key.mode for piece in pieces} == set(MODES)
    assert len({piece.frames_per_eighth for piece in pieces}) >= 8
    assert {piece.key.tonic for piece in pieces} == set(range(12))
    assert 0.05 < sum(bool(piece.intro) for piece in pieces) / len(pieces) < 0.25


def test_keys():
    key = Key(9, "minor")
    assert key.name == "A minor"
    assert key.triad(0) == (9, 0, 4)
    assert key.semitones(7) - key.semitones(0) == 12
    assert key.pitch_classes == Key(0, "major").pitch_classes
    assert not key.stable(1)
    assert key.stable(0)


@given(st.integers(0, 11), st.integers(0, 11))
def test_chords_in_close_position_keep_common_tones(first, second):
    before = close_position((first, (first + 4) % 12, (first + 7) % 12), HARMONY_LOW)
    after = close_position((second, (second + 3) % 12, (second + 7) % 12), HARMONY_LOW)
    common = {pitch % 12 for pitch in before} & {pitch % 12 for pitch in after}
    assert {p for p in before if p % 12 in common} == {p for p in after if p % 12 in common}
    assert max(before) - min(before) < 12
