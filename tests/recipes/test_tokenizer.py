import pytest

from recipes.nano.compose.lexicon import lexicon
from recipes.nano.tokenizer import END, UNKNOWN, VOCABULARY


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Piano, in C# minor.", "piano in c# minor"),
        ("C\u266f minor", "c# minor"),
        ("B\u266d major", "bb major"),
        ("CAF\u00c9  del\tMar!", "cafe del mar"),
        ("\u201cpop\u201d; (rock) [jazz]", "pop rock jazz"),
        ("", ""),
        (" \n ", ""),
    ],
    ids=["case", "sharp", "flat", "accents", "quotes", "empty", "blank"],
)
def test_case_accents_and_punctuation_do_not_count(tokenizer, text, same):
    assert tokenizer.encode(text).ids == tokenizer.encode(same).ids


@pytest.mark.parametrize(
    "text",
    ["\u97f3\u697d", "\u043c\u0443", "\U0001f600\U0001f3b5", "\u200d\ufe0f", "\x00"],
    ids=["chinese", "cyrillic", "emoji", "joiners", "control"],
)  # fmt: skip
def test_what_is_unknown_does_no_harm(tokenizer, text):
    tokens = tokenizer.encode(text).tokens
    assert tokens[-1] == END
    assert set(tokens[:-1]) <= {UNKNOWN}
    around = tokenizer.encode(f"jazz {text} piano").tokens
    assert [token for token in around if token != UNKNOWN] == ["jazz", "piano", END]


def test_every_phrase_comes_back(tokenizer):
    assert tokenizer.get_vocab_size() == VOCABULARY
    for phrase in lexicon():
        tokens = tokenizer.encode(phrase).tokens
        assert UNKNOWN not in tokens, phrase
        assert "".join(tokens[:-1]) == phrase.replace(" ", "").replace("+", ""), phrase
