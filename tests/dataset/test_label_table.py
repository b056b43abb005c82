"""Tables of labels: whatever a spreadsheet writes, and no row that gets lost."""

import csv
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.dataset.label_table import read_table
from songloom.dataset.values import Written
from songloom.errors import DatasetError

SONGS = ["a.wav", "b.mp3", "album/c.flac", "other/c.flac", "album/dö.wav"]


def table(folder: Path, text: str | bytes) -> dict[str, Written]:
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return dict(read_table(path, SONGS))


def test_all_columns(tmp_path: Path) -> None:
    said = table(
        tmp_path,
        "File,caption,BPM,key,genre,mood,instruments,voice,dynamics\n"
        'a.wav,"Warm, slow\npiano",90,Am,ambient;drone,calm|dark,"piano, strings",vocal,quiet\n'
        "\n"
        "b.mp3,,,,,,,,\n",
    )
    assert set(said) == {"a.wav", "b.mp3"}
    written = said["a.wav"]
    assert written.caption == "Warm, slow\npiano"
    labels = written.labels
    assert (labels.bpm, labels.key, labels.voice, labels.dynamics) == (
        90, "A minor", "vocal", "quiet",
    )  # fmt: skip
    assert (labels.genre, labels.mood) == (("ambient", "drone"), ("calm", "dark"))
    assert labels.instruments == ("piano", "strings")
    assert set(labels.sources.values()) == {"file"}
    assert said["b.mp3"] == Written()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_dialects(tmp_path: Path, delimiter: str, newline: str, bom: str) -> None:
    rows = (["file", "bpm", "genre"], ["a.wav", "90", "x|y"], ["b.mp3", "", "z"])
    said = table(tmp_path, bom + newline.join(delimiter.join(row) for row in rows))
    assert said["a.wav"].labels.bpm == 90
    assert said["a.wav"].labels.genre == ("x", "y")
    assert said["b.mp3"].labels.genre == ("z",)


@pytest.mark.parametrize(
    ("called", "song"),
    [
        ("a.wav", "a.wav"),
        ("a", "a.wav"),
        ("./A.WAV", "a.wav"),
        ("album/c.flac", "album/c.flac"),
        ("other\\c", "other/c.flac"),
        (unicodedata.normalize("NFD", "dö"), "album/dö.wav"),
    ],
)
def test_names_of_songs(tmp_path: Path, called: str, song: str) -> None:
    assert set(table(tmp_path, f"file,bpm\n{called},90\n")) == {song}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,bpm\na.wav,90\naa.wav,80\n", r"line 3: there is no song 'aa\.wav'; did you mean"),
        ("file,bpm\nxyzzy,80\n", r"line 2: there is no song 'xyzzy'; correct it, or delete"),
        ("file,bpm\nc,80\n", r"line 2: 'c' may be any of album/c\.flac, other/c\.flac; write the"),
        ("file,bmp\n", r"line 1: unknown column 'bmp'; did you mean 'bpm'"),
        ("file,zzz\n", r"line 1: unknown column 'zzz'; expected file, caption, bpm"),
        ("file,bpm,bpm\n", r"line 1: two columns are named 'bpm'"),
        ("bpm,key\n90,C\n", r"has no column 'file'.*add it"),
        ("", r"has no column 'file'"),
        ("file,bpm\na.wav,fast\n", r"line 2: bpm is 'fast', but must be a number"),
        ("file,caption\na.wav,one,two\n", r"line 2 has 3 cells, but there are 2 columns; put quot"),
        ('file,caption\na.wav,"open\n', r"line 2 is not CSV"),
        (b"file,caption\na.wav,\xe4\x00\n", r"is not text \(at byte 19\).*CSV UTF-8"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(DatasetError, match=rf"labels\.csv.*{problem}"):
        table(tmp_path, text)


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no\.csv' cannot be opened"):
        read_table(tmp_path / "no.csv", SONGS)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.sampled_from([",", ";", "\t"]),
)
def test_any_caption_comes_through(
    tmp_path_factory: pytest.TempPathFactory, caption: str, delimiter: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["file", "caption"], ["a.wav", caption]])
    said = table(tmp_path_factory.mktemp("table"), out.getvalue())
    assert said["a.wav"].caption == (caption.strip() or None)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_tables_as_spreadsheets_write_them(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("file;caption\r\na.wav;Größe, naïve\r\n".encode(encoding))
    assert read_table(path, ["a.wav"])["a.wav"].caption == "Größe, naïve"
