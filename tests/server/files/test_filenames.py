"""Names that strangers give become names of files, and never paths."""

import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from songloom.server.files.filenames import LONGEST_NAME, safe_name, truncate_at_word


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("song.mp3", "song.mp3"),
        ("Früh am Morgen (2).flac", "Früh am Morgen (2).flac"),
        ("../../etc/passwd", "passwd"),
        ("C:\\songs\\song.wav", "song.wav"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("song.wav.", "song.wav"),
        ("", "file"),
        ("a\x00b\n.wav", "ab.wav"),
        ("\u202egnos.wav", "gnos.wav"),  # an override of the direction of writing
        ("\ud800.wav", "wav"),  # half of a pair
        ("COM1.wav", "_COM1.wav"),
        ("what?.wav", "what_.wav"),
        ("dir/", "file"),
    ],
)
def test_names(given_name: str, name: str) -> None:
    assert safe_name(given_name) == name


def test_a_long_name_keeps_its_suffix() -> None:
    name = safe_name("é" * 500 + ".flac")
    assert name.endswith("é.flac")
    assert len(name.encode()) <= LONGEST_NAME


def test_a_name_of_its_own_where_nothing_is_left() -> None:
    assert safe_name("///", default="input") == "input"


@given(st.text())
@example("a" * 200 + "." + " " * 10)
@example("x." + "y" * 300)
@example("." * 300 + "a")
@example("CON")
def test_any_text_becomes_a_name(text: str) -> None:
    name = safe_name(text)
    assert name
    assert name == Path(name).name == PureWindowsPath(name).name
    assert name not in (".", "..")
    assert not name.startswith(".")
    assert name == name.strip(" .")
    assert len(name.encode()) <= LONGEST_NAME + 1
    assert not any(unicodedata.category(letter)[0] == "C" for letter in name)
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("text", "characters", "start"),
    [
        ("warm felt piano, slow", 60, "warm felt piano, slow"),
        ("soft harp, arpeggio, calm", 20, "soft harp, arpeggio"),
        ("soft harp, arpeggio, calm", 22, "soft harp, arpeggio"),
        ("drums, upright bass", 18, "drums, upright"),
        ("drums, upright bass", 13, "drums"),
        ("drums, upright bass, harp", 19, "drums, upright bass"),
        ("静かな夜のピアノ", 4, "静かな夜"),
        ("a " + "b" * 50, 20, "a " + "b" * 18),
        ("harp (calm)", 60, "harp (calm)"),
    ],
)
def test_beginnings_end_with_a_word(text: str, characters: int, start: str) -> None:
    assert truncate_at_word(text, characters) == start


@given(st.text(), st.integers(1, 200))
def test_a_beginning_is_never_too_long(text: str, characters: int) -> None:
    start = truncate_at_word(text, characters)
    assert len(start) <= characters
    assert len(start.encode()) <= LONGEST_NAME
    assert text.encode(errors="ignore").decode().startswith(start)
