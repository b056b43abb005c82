import re
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.nano.compose import caption, compose, words
from recipes.nano.compose.captions import (
    EIGHTHS,
    bpm_heard_as,
    full_caption,
    list_facts,
    moods,
    prompt,
)
from recipes.nano.compose.instruments import BAND
from recipes.nano.compose.lexicon import find_phrases, fits
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import MODES, PITCH_CLASSES

seeds = st.integers(0, 2**32)


def said(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w#-]){re.escape(word)}(?![\w#-])", text) is not None


def without(phrases: list[str], text: str) -> str:
    """The text with these words taken out, longest first."""
    for phrase in sorted(phrases, key=len, reverse=True):
        text = re.sub(rf"(?<![\w#-]){re.escape(phrase)}(?![\w#-])", "...", text)
    return text


def tonics(name: str) -> list[str]:
    return [name, words.ENHARMONIC.get(name, name)]


@settings(deadline=None)  # which a loaded machine would miss
@given(seeds, seeds)
def test_lists_of_facts_say_only_what_is_true(seed, wording):
    piece = compose(seed)
    text = list_facts(piece, Random(wording))
    assert text
    text = text.rstrip(".")
    text = text[0].lower() + text[1:] if not re.match(r"[A-G][#b]?\b", text) else text
    true = [w for name in piece.instruments for w in (name, *words.INSTRUMENTS[name])]
    true += [piece.style, *words.STYLES[piece.style], *moods(piece)]
    true += words.TEMPOS[piece.frames_per_eighth]
    true += words.BUSY if piece.busy else words.CALM
    true += words.NO_DRUMS if piece.drums is None else ()
    true += words.NO_BASS if piece.bass is None else ()
    tonic = PITCH_CLASSES[piece.key.tonic]
    true += [f"{name} {piece.key.mode}" for name in tonics(tonic)]
    rest = without([*true, "beats per minute"], text)
    everything = [
        *(w for phrases in words.INSTRUMENTS.values() for w in phrases),
        *(w for phrases in words.STYLES.values() for w in phrases),
        *(w for phrases in words.TEMPOS.values() for w in phrases),
        *(w for phrases in words.MOODS.values() for w in phrases),
        *words.BUSY, *words.CALM, *words.NO_DRUMS, *words.NO_BASS, *words.INTRO, *words.ENDING,
        *(f"{name} {mode}" for note in PITCH_CLASSES for name in tonics(note) for mode in MODES),
    ]  # fmt: skip
    assert [w for w in everything if said(w, rest) and w not in ("solo", "synth")] == []
    for number in re.findall(r"(\d+) ?(?:bpm|beats)|(?:tempo|bpm:) (\d+)", text):
        assert int(number[0] or number[1]) in bpm_heard_as(piece.frames_per_eighth)


@settings(deadline=None)  # which a loaded machine would miss
@given(seeds, seeds, st.booleans(), st.booleans())
def test_prompts_say_only_what_is_true(seed, wording, intro, ending):
    piece = compose(seed)
    text = prompt(piece, Random(wording), intro, ending)
    assert text.strip()
    assert [phrase for phrase in find_phrases(text) if not fits(phrase, piece)] == []
    # "Mid tempo 60s soul" names a decade.
    spoken_bpm = r"(\d+) ?(?:bpm|beats)|(?:tempo:?|bpm:?) (\d+)(?![\ds])"
    for number in re.findall(spoken_bpm, text.lower()):
        assert int(number[0] or number[1]) in bpm_heard_as(piece.frames_per_eighth)
    tonic, mode = PITCH_CLASSES[piece.key.tonic], piece.key.mode
    for name, spoken in re.findall(rf"\b([A-Ga-g][#b]?) ({'|'.join(MODES)})\b", text):
        assert (name.capitalize() in tonics(tonic), spoken) == (True, mode) or name == "a"


@settings(deadline=None)  # which a loaded machine would miss
@given(seeds, seeds)
def test_captions_are_the_same_for_the_same_seeds(seed, wording):
    piece = compose(seed)
    assert caption(piece, Random(wording)) == caption(piece, Random(wording))


def test_captions_have_all_forms():
    pieces = [compose(seed) for seed in range(600)]
    texts = [caption(piece, Random(seed)) for seed, piece in enumerate(pieces)]
    assert 0 < texts.count("") < 40
    assert any(text.isupper() for text in texts)
    assert any(text and not find_phrases(text) for text in texts)
    assert any(len(find_phrases(text)) == 1 for text in texts)
    assert any(len(find_phrases(text)) > 4 for text in texts)
    assert any(re.match("(?i)(i|make|give|create|please|can) ", text) for text in texts)


def test_every_fact_is_said_in_some_wording():
    piece = next(p for p in map(compose, range(2000)) if p.style == "rock" and p.drums and p.bass)
    texts = [caption(piece, Random(wording)) for wording in range(300)]
    assert len(set(texts)) > 280
    for phrase in ("bpm", piece.key.name, piece.bass, piece.drums, piece.melody, "rock"):
        assert any(phrase in text for text in texts), phrase
        assert not all(phrase in text for text in texts), phrase


def test_an_ending_is_always_said_and_an_introduction_often():
    piece = compose(5)
    texts = [caption(piece, Random(i), intro=True, ending=True) for i in range(100)]
    assert all(any(word in text.lower() for word in words.ENDING) for text in texts)
    assert 40 < sum(any(word in text for word in words.INTRO) for text in texts) < 95


@settings(deadline=None)  # which a loaded machine would miss
@given(seeds, seeds)
def test_a_full_caption_leaves_nothing_out(seed, wording):
    piece = compose(seed)
    text = full_caption(piece, Random(wording))
    assert piece.key.name in text
    assert f"{round(piece.bpm)} bpm" in text
    for name in piece.instruments:
        assert any(word in text for word in (name, *words.INSTRUMENTS[name]))


def test_every_tempo_that_one_may_ask_for_is_somebodys():
    numbers = [number for eighth in EIGHTHS for number in bpm_heard_as(eighth)]
    assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1))


def test_there_are_words_for_everything():
    assert set(words.INSTRUMENTS) == {player.name for player in BAND}
    assert set(words.STYLES) == {style.name for style in STYLES}
    assert set(words.TEMPOS) == {eighth for style in STYLES for eighth in style.eighths}
