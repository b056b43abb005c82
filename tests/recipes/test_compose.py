from hypothesis import given
from hypothesis import strategies as st

from recipes.nano.bank import DRUM_KEYS
from recipes.nano.compose import compose
from recipes.nano.compose.parts import BASS_HIGH, BASS_LOW, HARMONY_LOW, MELODY_HIGH
from recipes.nano.compose.styles import BASSES, KITS, MELODIC, STYLES
from recipes.nano.compose.theory import (
    FRAME,
    FRAME_RATE,
    MODES,
    SAMPLE_RATE,
    SIXTEENTHS,
    Key,
    beats_per_minute,
    voice_lead,
)

seeds = st.integers(0, 2**32)


def test_the_grid_is_that_of_the_codec():
    assert FRAME * FRAME_RATE == SAMPLE_RATE
    assert beats_per_minute(6) == 125.0


@given(seeds)
def test_a_seed_gives_one_piece(seed):
    assert compose(seed) == compose(seed)


def test_seeds_give_different_pieces():
    assert len({compose(seed).loop for seed in range(200)}) > 195


@given(seeds)
def test_notes_stay_on_the_grid_and_inside_their_bar(seed):
    piece = compose(seed)
    assert 5 <= piece.frames_per_sixteenth <= 10
    for note in (n for bar in piece.loop + piece.variation for n in bar):
        assert isinstance(note.onset, int)
        assert 0 <= note.onset < SIXTEENTHS
        assert note.length >= 1
        if note.instrument not in KITS:
            assert note.onset + note.length <= SIXTEENTHS


@given(seeds)
def test_pitches_belong_to_the_key_and_to_the_instrument(seed):
    piece = compose(seed)
    for note in (n for bar in piece.loop + piece.variation for n in bar):
        if note.instrument in KITS:
            assert 0 <= note.pitch < len(DRUM_KEYS)
            continue
        assert note.pitch % 12 in piece.key.pitch_classes
        low, high = (
            (BASS_LOW, BASS_HIGH) if note.instrument in BASSES else (HARMONY_LOW, MELODY_HIGH)
        )
        assert low <= note.pitch <= high


@given(seeds)
def test_the_piece_names_exactly_the_instruments_that_play(seed):
    piece = compose(seed)
    playing = {note.instrument for bar in piece.loop + piece.variation for note in bar}
    assert playing == set(piece.instruments)


@given(seeds, st.integers(0, 50))
def test_a_pass_of_the_loop_comes_back(seed, bar):
    piece = compose(seed)
    cycle = len(piece.loop) * piece.passes_per_variation
    assert piece.bar(bar) == piece.bar(bar + cycle)


def test_variety():
    pieces = [compose(seed) for seed in range(600)]
    assert {piece.style for piece in pieces} == {style.name for style in STYLES}
    assert {name for piece in pieces for name in piece.instruments} == {*MELODIC, *BASSES, *KITS}
    assert {piece.key.mode for piece in pieces} == set(MODES)
    assert len({piece.frames_per_sixteenth for piece in pieces}) == 6
    assert {piece.key.tonic for piece in pieces} == set(range(12))


def test_keys():
    key = Key(9, "minor")
    assert key.name == "A minor"
    assert key.triad(0) == (9, 0, 4)
    assert key.semitones(7) - key.semitones(0) == 12
    assert key.pitch_classes == Key(0, "major").pitch_classes


@given(st.integers(0, 11), st.sampled_from(sorted(MODES)), st.integers(0, 6), st.integers(0, 6))
def test_voice_leading_keeps_the_chord_and_moves_little(tonic, mode, first, second):
    key = Key(tonic, mode)
    before = voice_lead(key.triad(first), None, HARMONY_LOW)
    after = voice_lead(key.triad(second), before, HARMONY_LOW)
    assert {pitch % 12 for pitch in after} == set(key.triad(second))
    assert after == tuple(sorted(after))
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= 12
