"""A data set on the disk: what is written is read, and what people write wrongly is named."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from songloom.dataset.labels import Labels
from songloom.dataset.manifest import (
    Dataset,
    DatasetInfo,
    Song,
    is_dataset,
    read_dataset,
    read_songs,
    tokens_path,
    write_dataset,
)
from songloom.dataset.token_store import Record, SongTokens, Treatment, write_tokens
from songloom.errors import DatasetError, OutputError

INFO = DatasetInfo("nano", "feed", 32_000, 1, 50.0, 4, 64, 12, "kept")
TEXT = st.text(st.characters(codec="utf-8")).map(str.strip)
WORDS = st.lists(TEXT.filter(bool), unique=True, max_size=3).map(tuple)
NAMES = ("bpm", "key", "dynamics", "voice", "genre", "mood", "instruments")
SONGS = st.builds(
    Song,
    file=st.text(st.characters(codec="utf-8"), min_size=1),
    hash=st.text("0123456789abcdef", min_size=16, max_size=16),
    seconds=st.floats(2, 10_000).map(lambda x: round(x, 3)),
    caption=TEXT.map(lambda text: text or None),
    held_out=st.booleans(),
    labels=st.builds(
        Labels,
        bpm=st.none() | st.floats(20, 400),
        key=st.sampled_from([None, "C major", "F# minor", "Bb major"]),
        dynamics=TEXT.map(lambda text: text or None),
        voice=st.sampled_from([None, "vocal", "instrumental"]),
        genre=WORDS,
        mood=WORDS,
        instruments=WORDS,
        confidence=st.dictionaries(
            st.sampled_from(NAMES), st.floats(0, 1).map(lambda x: round(x, 3))
        ),
        sources=st.dictionaries(st.sampled_from(NAMES), TEXT),
    ),
)


def song(number: int = 0, **fields: Any) -> Song:
    return Song(f"{number}.wav", f"{number:016x}", 10.0, **fields)


def made(folder: Path, *songs: Song) -> Dataset:
    (folder / "tokens").mkdir(exist_ok=True)
    dataset = Dataset(folder, INFO, songs)
    write_dataset(dataset, songs)
    return dataset


@given(st.lists(SONGS, max_size=3, unique_by=lambda song: song.hash))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, songs: list[Song]) -> None:
    dataset = made(tmp_path_factory.mktemp("dataset"), *songs)
    assert read_dataset(dataset.folder) == dataset
    assert len((dataset.folder / "songs.jsonl").read_bytes().splitlines()) == len(songs)


def test_lines_are_for_people(tmp_path: Path) -> None:
    made(tmp_path, song(caption="Größe 日本", labels=Labels(bpm=90.0, genre=("jazz",))))
    line = (tmp_path / "songs.jsonl").read_text("utf-8")
    assert line.startswith('{"file": "0.wav", "caption": "Größe 日本", "bpm": 90.0, "key": null,')


def test_people_may_edit_reorder_and_delete(tmp_path: Path) -> None:
    made(tmp_path, song(1), song(2), song(3))
    path = tmp_path / "songs.jsonl"
    one, _, three = path.read_text("utf-8").splitlines()
    row = json.loads(three)
    del row["confidence"], row["sources"], row["mood"]
    row |= {"caption": " new ", "bpm": 100, "key": "am", "genre": "a; b", "held_out": True}
    path.write_bytes(f"\ufeff\r\n{json.dumps(row)}\r\n\r\n{one}".encode())
    first, second = read_dataset(tmp_path).songs
    assert (first.file, first.caption, first.held_out) == ("3.wav", "new", True)
    assert (first.labels.bpm, first.labels.key) == (100.0, "A minor")
    assert first.labels.genre == ("a", "b")
    assert second == song(1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"caption": 5}, "caption is 5, but must be a text"),
        ({"captoin": "x"}, "unknown field 'captoin'; did you mean 'caption'"),
        ({"bpm": -1}, "bpm is -1, but must be a number of beats"),
        ({"genre": {"a": 1}}, r"genre is .* must be a list of texts"),
        ({"held_out": "yes"}, "held_out is 'yes', but must be true or false"),
        ({"hash": "../../etc"}, "hash is '../../etc', but must be 16 hexadecimal digits"),
        ({"hash": None}, "hash is None"),
        ({"seconds": "long"}, "seconds is 'long', but must be a number"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"file": 1}, "file is 1"),
        ({"sources": []}, r"sources is \[\], but must be an object"),
        ({"sources": 5}, "sources is 5"),
        ({"hash": f"{1:016x}"}, r"the song 0+1 is there twice \('1\.wav' and '2\.wav'\)"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    made(tmp_path, song(1), song(2))
    path = tmp_path / "songs.jsonl"
    one, two = path.read_text("utf-8").splitlines()
    path.write_text(f"{one}\n\n{json.dumps(json.loads(two) | change)}\n")
    with pytest.raises(DatasetError, match=rf"songs\.jsonl, line 3: .*{problem}"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("line", ["{", "[]", '"text"', "nonsense", "[" * 100_000])
def test_broken_lines_are_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "songs.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DatasetError, match=r"songs\.jsonl, line 2 .*; correct it, or delete"):
        read_songs(path)


def test_other_encodings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "songs.jsonl"
    path.write_bytes(b"\n\n\xff\n")
    with pytest.raises(DatasetError, match=r"songs\.jsonl, line 3 is not UTF-8"):
        read_songs(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 2}, "format is 2, but must be 1"),
        ({"codebooks": "4"}, "codebooks is '4', but must be of type int"),
        ({"codec": None}, "codec is None"),
        ({"vocal": 1}, "unknown field 'vocal'; did you mean 'vocals'"),
    ],
)
def test_a_wrong_dataset_json_is_refused(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    made(tmp_path, song())
    content = json.dumps({**dataclasses.asdict(INFO), **change})
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=rf"dataset\.json: {problem}"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "5"])
def test_a_broken_dataset_json_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=r"dataset\.json .*; prepare the songs again"):
        read_dataset(tmp_path)


def test_other_folders_are_no_data_sets(tmp_path: Path) -> None:
    assert not is_dataset(tmp_path)
    assert not is_dataset(tmp_path / "missing")
    with pytest.raises(DatasetError, match=r"is no data set: expected dataset\.json"):
        read_dataset(tmp_path)


def test_tokens_of_a_song(tmp_path: Path) -> None:
    dataset = made(tmp_path, song())
    codes = torch.randint(0, 64, (4, 30)).to(torch.int16)
    chroma = torch.randint(0, 12, (9,)).to(torch.uint8)
    record = Record(10.0, Treatment("feed", 12, "kept"), "", Labels())
    write_tokens(tokens_path(tmp_path, song().hash), SongTokens(codes, chroma), record)
    tokens = dataset.tokens(song())
    assert torch.equal(tokens.codes, codes)
    assert tokens.chroma is not None
    assert torch.equal(tokens.chroma, chroma)
    other = dataclasses.replace(dataset, info=dataclasses.replace(INFO, codec="food"))
    with pytest.raises(DatasetError, match="made with another codec"):
        other.tokens(song())
    with pytest.raises(DatasetError, match=r"is not the token file of a song .*delete it"):
        dataset.tokens(song(1))


def test_tags_are_words() -> None:
    labels = Labels(bpm=89.6, key="C minor", genre=("jazz", "folk"), voice="vocal")
    assert song(labels=labels).tags() == {
        "genre": ("jazz", "folk"),
        "key": ("C minor",),
        "bpm": ("90 bpm",),
        "voice": ("vocal",),
    }
    assert song().tags() == {}


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"songs\.jsonl' cannot be written"):
        write_dataset(Dataset(tmp_path / "gone", INFO, ()), ())
