"""What people write beside their songs."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.dataset.labels import Labels
from songloom.dataset.sidecars import Sidecars, read_json
from songloom.dataset.values import Written
from songloom.errors import DatasetError

ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def said(folder: Path, song: str, **files: str | bytes) -> Written:
    """What `Sidecars` says with these files, "_" standing for "." in their names."""
    paths = {}
    for name, content in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths[path.name] = path
    return Sidecars(paths).find_written(song)


def said_json(folder: Path, content: Any) -> Written:
    return said(folder, "a.wav", a_json=json.dumps(content))


def test_nothing_is_said(tmp_path: Path) -> None:
    assert said(tmp_path, "a.wav", b_txt="other") == Written()


def test_a_text_file_is_the_caption(tmp_path: Path) -> None:
    assert said(tmp_path, "a.wav", a_txt="\ufeff Warm piano,\n slow. \r\n").caption == (
        "Warm piano,\n slow."
    )
    assert said(tmp_path, "a.wav", a_TXT="upper").caption == "upper"
    assert said(tmp_path, "a.wav", a_txt=" \n").caption is None


def test_the_nearer_name_wins_and_json_wins_over_text(tmp_path: Path) -> None:
    files = {"a_txt": "far", "a_wav_txt": "near"}
    assert said(tmp_path, "a.wav", **files).caption == "near"
    assert said(tmp_path, "a.mp3", **files).caption == "far"
    files["a_json"] = '{"caption": "json", "bpm": 90}'
    assert said(tmp_path, "a.wav", **files).caption == "near"
    assert said(tmp_path, "a.wav", **files).labels.bpm == 90
    assert said(tmp_path, "a.mp3", **files).caption == "json"


def test_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("this")
    sidecars = Sidecars({"x/a.txt": tmp_path / "a.txt"})
    assert sidecars.find_written("x/a.wav").caption == "this"
    assert sidecars.find_written("a.wav").caption is None
    assert sidecars.find_written("y/a.wav").caption is None


def test_all_labels(tmp_path: Path) -> None:
    written = said_json(
        tmp_path,
        {
            "description": "Warm.",
            "bpm": "90",
            "key": "a min",
            "genre": "ambient",
            "moods": ["calm", " dark ", "calm", ""],
            "instrument": "piano, strings",
            "voice": "Instrumental",
            "dynamics": "quiet",
            "keywords": "tape, hiss",
            "artist": 3,
            "sample_rate": 44100,
        },
    )
    assert written.caption == "Warm, tape, hiss"
    names = ("bpm", "key", "genre", "mood", "instruments", "voice", "dynamics")
    assert written.labels == Labels(
        bpm=90.0,
        key="A minor",
        dynamics="quiet",
        voice="instrumental",
        genre=("ambient",),
        mood=("calm", "dark"),
        instruments=("piano", "strings"),
        sources=dict.fromkeys(names, "file"),
    )


def test_what_the_reference_library_leaves_empty_is_unknown(tmp_path: Path) -> None:
    empty = {"key": "", "bpm": "", "genre": "", "moods": [], "instrument": "", "description": ""}
    assert said_json(tmp_path, {**empty, "keywords": "a, b"}) == Written("a, b")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", "C major"),
        ("c", "C major"),
        ("Am", "A minor"),
        ("AM", "A major"),
        ("A:min", "A minor"),
        ("f# major", "F# major"),
        ("F♯m", "F# minor"),
        ("Bb Maj", "Bb major"),
        ("B♭ minor", "Bb minor"),
        ("E flat minor", "Eb minor"),
        ("G_minor", "G minor"),
    ],
)
def test_keys(tmp_path: Path, text: str, key: str) -> None:
    assert said_json(tmp_path, {"key": text}).labels.key == key


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"bpm": "fast"}, "bpm is 'fast', but must be a number"),
        ({"bpm": 1200}, "bpm is 1200, but must be a number .* from 20 to 400"),
        ({"bpm": True}, "bpm is True"),
        ({"bpm": float("nan")}, "bpm is nan"),
        ({"key": "H minor"}, "key is 'H minor', but must be a tonic and a mode"),
        ({"key": 5}, "key is 5, but must be a text"),
        ({"genre": 5}, r"genre is 5, but must be a list of texts"),
        ({"genre": ["a", 5]}, r"genre is \['a', 5\]"),
        ({"voice": "choir"}, "voice is 'choir', but must be \"vocal\" or"),
        ({"caption": ["a"]}, r"caption is \['a'\], but must be a text"),
        ([], "holds a list: expected an object"),
    ],
)
def test_values_that_make_no_sense(tmp_path: Path, content: Any, problem: str) -> None:
    with pytest.raises(DatasetError, match=rf"^a\.json.*{problem}.*; correct"):
        said_json(tmp_path, content)


@pytest.mark.parametrize("content", ["{", "", '{"a": 1}}', "[" * 100_000])
def test_broken_json(tmp_path: Path, content: str) -> None:
    with pytest.raises(DatasetError, match=r"^a\.json is not JSON .*; correct or remove it"):
        said(tmp_path, "a.wav", a_json=content)


def test_huge_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^a\.txt is longer than"):
        said(tmp_path, "a.wav", a_txt=b"a" * (2 << 20))


@given(ANY_TEXT)
def test_any_caption_comes_through(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("captions")
    expected = text.removeprefix("\ufeff").strip() or None
    assert said(folder, "a.wav", a_txt=text).caption == expected
    assert said_json(folder, {"caption": text}).caption == (text.strip() or None)


def test_half_a_character_can_be_written_again(tmp_path: Path) -> None:
    caption = said(tmp_path, "a.wav", a_json='{"caption": "\\ud83d broken"}').caption
    assert caption == "? broken"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["caption", "bpm", "key", "mood", "voice", "keywords"]), JSON)
)
def test_any_json_is_understood_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    with suppress(DatasetError):
        written = said_json(tmp_path_factory.mktemp("json"), content)
        assert written.caption is None or written.caption.encode()


def test_labels_can_be_said_to_be_unknown(tmp_path: Path) -> None:
    path = tmp_path / "song.json"
    path.write_text('{"key": "C minor", "unknown": ["bpm", "key"]}')
    said = read_json(path, path.name)
    assert said.unknown == {"bpm"}
    heard = Labels(bpm=90.0, key="A major", confidence={"bpm": 0.9}, sources={"bpm": "analysis"})
    labels = said.apply_to(heard)
    assert (labels.bpm, labels.key, labels.confidence) == (None, "C minor", {})
    path.write_text('{"unknown": ["colour"]}')
    with pytest.raises(DatasetError, match="'colour', but must be names of labels"):
        read_json(path, path.name)


def sidecars(folder: Path, *songs: str, **texts: str) -> Sidecars:
    """Descriptions that say their own names, beside these songs."""
    files = {}
    for number, name in enumerate(texts.values()):
        files[name] = folder / f"{number}{Path(name).suffix}"
        content = json.dumps({"caption": name}) if name.lower().endswith("json") else name
        files[name].write_text(content, encoding="utf-8")
    return Sidecars(files, songs)


COMPOSED, DECOMPOSED = "Caf\u00e9", "Cafe\u0301"


@pytest.mark.parametrize(
    ("song", "text"),
    [
        ("Waltz.wav", "waltz.txt"),
        ("x/WALTZ.WAV", "X/waltz.wav.Txt"),
        (f"{COMPOSED}.wav", f"{DECOMPOSED}.txt"),
        (f"{DECOMPOSED}.wav", f"{COMPOSED}.json"),
        ("STRA\u00dfE.wav", "strasse.txt"),
        ("song.wav", "song.caption.txt"),
        ("song.wav", "song_prompt.txt"),
        ("song.wav", "Song.wav.Description.txt"),
        ("a/01. One.flac", "a/01. One.caption.txt"),
    ],
)
def test_names_that_mean_the_same_song(tmp_path: Path, song: str, text: str) -> None:
    beside = sidecars(tmp_path, song, a=text)
    assert beside.find_written(song).caption == text
    assert beside.explain_unused([song]) == []


def test_a_description_stays_with_the_song_of_that_very_name(tmp_path: Path) -> None:
    songs = [
        "Waltz.wav",
        "waltz.wav",
        "a.wav",
        "a_text.wav",
        f"{COMPOSED}.wav",
        f"{DECOMPOSED}.wav",
    ]
    beside = sidecars(tmp_path, *songs, a="Waltz.txt", b="a_text.txt", c=f"{DECOMPOSED}.txt")
    assert {song: beside.find_written(song).caption for song in songs} == {
        "Waltz.wav": "Waltz.txt",
        "waltz.wav": None,
        "a.wav": None,
        "a_text.wav": "a_text.txt",
        f"{COMPOSED}.wav": None,
        f"{DECOMPOSED}.wav": f"{DECOMPOSED}.txt",
    }


def test_descriptions_of_no_song_are_explained(tmp_path: Path) -> None:
    songs = ["a.wav", "x/b.mp3"]
    beside = sidecars(
        tmp_path,
        *songs,
        a="a.txt",
        b="b.txt",
        c="README.txt",
        d="a.lyrics.txt",
        e="a.TXT",
        f="x/b.json",
    )
    unused = {each.file: each.reason for each in beside.explain_unused(songs)}
    assert list(unused) == ["README.txt", "a.lyrics.txt", "a.txt", "b.txt"]
    assert "lyrics are not used" in unused["a.lyrics.txt"]
    assert "it describes no song" in unused["b.txt"]


@pytest.mark.parametrize(
    "content",
    [
        "Café, naïve, 日本".encode("utf-16"),
        "Café, naïve, 日本".encode("utf-8-sig"),
        "Café, naïve, 日本".encode("utf-32"),
        b"\xfe\xff" + "Café, naïve, 日本".encode("utf-16-be"),
    ],
)
def test_texts_in_unicode_are_read(tmp_path: Path, content: bytes) -> None:
    assert said(tmp_path, "a.wav", a_txt=content).caption == "Café, naïve, 日本"
    written = json.dumps({"caption": "Café", "bpm": 90}, ensure_ascii=False)
    assert said(tmp_path, "b.wav", b_json=written.encode("utf-16")).caption == "Café"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Warm piano", "utf-16-le"),
        ("Café Größe, naïve “warm”", "cp1252"),
        ("Señor Ñandú", "latin-1"),
        ("Тёплое пианино, медленный вальс", "cp1251"),
        ("温かいピアノの曲", "cp932"),
        ("温暖的钢琴曲、缓慢", "gbk"),
        ("溫暖的鋼琴曲", "big5"),
        ("따뜻한 피아노 음악", "cp949"),
    ],
)
def test_texts_as_windows_writes_them_are_read(tmp_path: Path, text: str, encoding: str) -> None:
    assert said(tmp_path, "a.wav", a_txt=text.encode(encoding)).caption == text


@pytest.mark.parametrize(
    "content", [bytes(range(128, 256)) * 3, b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"]
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DatasetError, match=r"a\.txt is not text .*: save it again as UTF-8"):
        said(tmp_path, "a.wav", a_txt=content)


def test_the_files_of_ace_step(tmp_path: Path) -> None:
    written = said_json(
        tmp_path,
        {
            "caption": "Warm.",
            "bpm": 90,
            "keyscale": "A minor",
            "timesignature": "3",
            "language": "en",
        },
    )
    assert (written.labels.key, written.labels.bpm) == ("A minor", 90)
    assert written.caption == "Warm, 3/4 time"
    assert said_json(tmp_path, {"timesignature": "6/8"}).caption == "6/8 time"
    assert said_json(tmp_path, {"is_instrumental": True}).labels.voice == "instrumental"


@pytest.mark.parametrize("name", ["a_txt", "a_json"])
def test_a_caption_that_no_model_reads_is_refused(tmp_path: Path, name: str) -> None:
    caption = "a" * 10_001
    content = json.dumps({"caption": caption}) if name == "a_json" else caption
    with pytest.raises(DatasetError, match="10001 characters, but must have at most 10000"):
        said(tmp_path, "a.wav", **{name: content})
