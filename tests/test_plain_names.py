"""Names out of what people write keep their letters, in any script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.plain_names import plain_name

HINDI = "\u0939\u093f\u0928\u094d\u0926\u0940 \u0938\u0902\u0917\u0940\u0924"  # "hindi sangit"
THAI = "\u0e40\u0e1e\u0e25\u0e07\u0e0a\u0e49\u0e32"  # "slow song", with a tone mark
TAMIL = "\u0b87\u0b9a\u0bc8\u0baf\u0bbf\u0bb2\u0bcd"
HEBREW = "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd"  # with points


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("slow, warm piano!", "slow-warm-piano"),
        (HINDI, HINDI.replace(" ", "-")),
        (THAI, THAI),
        (TAMIL, TAMIL),
        (HEBREW, unicodedata.normalize("NFC", HEBREW)),
        ("Cafe\u0301 noir", "Caf\u00e9-noir"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645",
        ),
        ("100\u00b0 / \u266b\n", "100"),
        ("\U0001f3b5", ""),
    ],
)
def test_letters_keep_their_marks(text: str, name: str) -> None:
    assert plain_name(text) == name


def test_further_characters_stay() -> None:
    assert plain_name("lofi v1.2!", also=".") == "lofi-v1.2"


@pytest.mark.parametrize("longest", range(1, 12))
def test_a_cut_takes_no_marks_from_a_letter(longest: int) -> None:
    name = plain_name(HINDI, longest=longest)
    whole = plain_name(HINDI)
    assert whole.startswith(name)
    assert longest - 3 <= len(name) <= longest
    assert unicodedata.category(whole[len(name)])[0] != "M"


@given(st.text(), st.integers(0, 20))
def test_any_text_gives_a_name(text: str, longest: int) -> None:
    name = plain_name(text, longest=longest)
    assert len(name) <= longest
    assert all(letter in "-_" or unicodedata.category(letter)[0] in "LMN" for letter in name)
