import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from recipes.nano.compose import caption, compose
from recipes.nano.compose.captions import (
    INSTRUMENT_WORDS,
    MOOD_WORDS,
    NO_DRUMS_WORDS,
    STYLE_WORDS,
    TEMPO_WORDS,
    mood_words,
)
from recipes.nano.compose.styles import BASSES, KITS, MELODIC, STYLES
from recipes.nano.compose.theory import MODES, PITCH_CLASSES

seeds = st.integers(0, 2**32)


def said(words: str, text: str) -> bool:
    return re.search(rf"(?<![\w#-]){re.escape(words)}(?![\w#-])", text) is not None


def without(words: list[str], text: str) -> str:
    """The text with these words taken out, longest first."""
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<![\w#-]){re.escape(word)}(?![\w#-])", "...", text)
    return text


@given(seeds, seeds)
def test_captions_say_only_what_is_true(seed, wording):
    piece = compose(seed)
    text = caption(piece, Random(wording))
    assert text
    true = [w for name in piece.instruments for w in INSTRUMENT_WORDS[name]]
    true += STYLE_WORDS[piece.style]
    true += TEMPO_WORDS[piece.frames_per_sixteenth]
    true += mood_words(piece)
    if piece.drums is None:
        true += NO_DRUMS_WORDS
    rest = without([*true, piece.key.name], text)
    everything = [
        *(w for words in INSTRUMENT_WORDS.values() for w in words),
        *(w for words in STYLE_WORDS.values() for w in words),
        *(w for words in TEMPO_WORDS.values() for w in words),
        *(w for words in MOOD_WORDS.values() for w in words),
        *NO_DRUMS_WORDS,
        *(f"{tonic} {mode}" for tonic in PITCH_CLASSES for mode in MODES),
    ]
    assert [w for w in everything if said(w, rest)] == []
    for number in re.findall(r"(\d+) (?:bpm|beats)", text):
        assert int(number) == round(piece.bpm)


def test_every_fact_is_said_in_some_wording():
    piece = next(p for p in map(compose, range(1000)) if p.style == "rock" and p.drums)
    texts = [caption(piece, Random(wording)) for wording in range(300)]
    assert len(set(texts)) > 250
    for words in ("bpm", piece.key.name, piece.bass, piece.drums, piece.melody, "rock"):
        assert any(words in text for text in texts), words
        assert not all(words in text for text in texts), words


def test_there_are_words_for_everything():
    assert set(INSTRUMENT_WORDS) == {*MELODIC, *BASSES, *KITS}
    assert set(STYLE_WORDS) == {style.name for style in STYLES}
    assert set(TEMPO_WORDS) >= {f for style in STYLES for f in style.frames_per_sixteenth}
