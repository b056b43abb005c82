from random import Random

import pytest

from recipes.nano.compose import compose
from recipes.nano.compose.lexicon import (
    KINDS,
    NAMES,
    Meaning,
    draw_phrases,
    find_phrases,
    fits,
    lexicon,
    meanings_of,
    read_meaning,
)
from recipes.nano.compose.prompts import mistype, slip
from recipes.nano.compose.styles import STYLES

PIECES = 2000


def test_every_entry_is_of_styles_and_instruments_that_there_are():
    styles = {style.name for style in STYLES}
    for phrase, meanings in lexicon().items():
        for meaning in meanings:
            assert set(meaning.styles) <= styles, phrase
            assert {*meaning.players, *meaning.absent} <= set(NAMES), phrase


def test_every_entry_fits_something_that_is_composed():
    pieces = [compose(seed) for seed in range(PIECES)]
    silent = [
        phrases
        for kind in KINDS
        for meaning, phrases in meanings_of(kind).items()
        if not any(meaning.fits(piece) for piece in pieces)
    ]
    assert silent == []


def test_phrases_are_as_people_type_them():
    for phrase in lexicon():
        assert phrase == " ".join(phrase.lower().split()), phrase
        assert find_phrases(phrase) == [phrase]


def test_there_are_phrases_for_every_style_and_kind():
    assert len(lexicon()) > 1500
    for kind in KINDS:
        assert meanings_of(kind)
    for seed in range(100):
        piece = compose(seed)
        drawn = {kind: draw_phrases(kind, piece, 3, Random(seed)) for kind in KINDS}
        assert all(len(phrases) <= 3 for phrases in drawn.values())
        assert drawn["genres"]
        assert drawn["instruments"]
        assert all(fits(phrase, piece) for phrases in drawn.values() for phrase in phrases)


def test_the_longest_phrase_counts():
    found = find_phrases("Soothing Deep House, no drums; happy")
    assert found == ["soothing", "deep house", "no drums", "happy"]


def test_traits_are_read():
    meaning = read_meaning("genres", ["jazz", "slow", "dark", "no drums", "piano", "bass", "calm"])
    assert meaning == Meaning(
        "genres", ("jazz",), ("piano", *NAMES["bass"]), NAMES["drums"], (0, 88), False, False
    )
    with pytest.raises(ValueError, match="'jaz' is no style"):
        read_meaning("genres", ["jaz"])


def test_slips_change_a_letter_and_make_no_other_word():
    random = Random(0)
    for phrase in lexicon():
        for typed, word in zip(mistype(phrase, random, 1.0).split(), phrase.split(), strict=True):
            assert typed == word or typed not in lexicon()
            assert abs(len(typed) - len(word)) <= 1
            assert typed[0] == word[0]
    assert len({slip("saxophone", random) for _ in range(200)}) > 20
