"""Songs are found wherever they lie, once each, and in the same order everywhere."""

import gzip
import os
from pathlib import Path

import pytest

from songloom.dataset.ingest import find_songs, open_songs
from songloom.errors import DatasetError
from tests.dataset.test_archives import pack_tar, pack_tgz, pack_zip


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def names_in(folder: Path) -> list[str]:
    return [song.name for song in find_songs(folder).found]


def test_nested_folders_and_any_case(tmp_path: Path) -> None:
    write(tmp_path, "b.WAV", "a.mp3", "x/y/z/c.Flac", "x/d.ogg", "e.M4A", "f.mp4", "ä 日/g.wav")
    write(
        tmp_path, "cover.jpg", "a.txt", ".h.wav", "__MACOSX/b.wav", ".trash/i.wav", "no extension"
    )
    assert names_in(tmp_path) == [
        "a.mp3", "b.WAV", "e.M4A", "f.mp4", "x/d.ogg", "x/y/z/c.Flac", "ä 日/g.wav",
    ]  # fmt: skip


def test_every_file_is_a_song_or_reported(tmp_path: Path) -> None:
    songs = ["...And Justice For All/One.wav", "...Baby.wav", "hum.webm", "live.WMA", "logic.caf"]
    write(tmp_path, *songs, "v.mka", "A: Side one.wav", "cover.jpg", ".hidden.wav", ".git/b.wav")
    write(tmp_path, "rip.log", "x/.DS_Store", "x/._live.wma", "__MACOSX/a.wav", "x/Thumbs.db")
    found = find_songs(tmp_path)
    assert [song.name for song in found.found] == [
        "...And Justice For All/One.wav", "...Baby.wav", "A: Side one.wav", "hum.webm", "live.WMA",
        "logic.caf", "v.mka",
    ]  # fmt: skip
    hidden = "a dot before its name, or its folder's, hides it; rename it"
    useless = "it is neither a song nor a description of one (txt, json)"
    assert {skipped.file: skipped.reason for skipped in found.skipped} == {
        ".git": hidden, ".hidden.wav": hidden, "cover.jpg": useless, "rip.log": useless,
    }  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_come_out_alike_are_numbered(tmp_path: Path) -> None:
    write(tmp_path, *(os.fsdecode(b"x%c.wav" % byte) for byte in (0xE8, 0xE9, 0xEA)))
    songs = find_songs(tmp_path).found
    assert [song.name for song in songs] == ["x\ufffd (2).wav", "x\ufffd (3).wav", "x\ufffd.wav"]
    assert {song.path.read_bytes() for song in songs} == {b"x\xe8.wav", b"x\xe9.wav", b"x\xea.wav"}


@pytest.mark.skipif(os.name == "nt", reason="needs rights for links")
def test_a_link_to_itself_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "a.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "b.wav")
    (skipped,) = find_songs(tmp_path).skipped
    assert skipped.file == "b.wav"
    assert "cannot be opened" in skipped.reason or "nothing" in skipped.reason


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_with_newlines_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path, "line\nbreak.wav", os.fsdecode(b"latin \xe9.wav"))
    songs = find_songs(tmp_path).found
    assert [song.name for song in songs] == ["latin \ufffd.wav", "line\nbreak.wav"]
    assert all(song.path.is_file() for song in songs)


def test_the_same_bytes_count_once(tmp_path: Path) -> None:
    write(tmp_path, "b.wav", "c.wav")
    (tmp_path / "a.wav").write_bytes(b"b.wav")
    songs = find_songs(tmp_path)
    assert [song.name for song in songs.found] == ["a.wav", "c.wav"]
    (skipped,) = songs.skipped
    assert (skipped.file, skipped.reason) == ("b.wav", "it is the same file as a.wav")


@pytest.mark.skipif(os.name == "nt", reason="needs rights for links")
def test_links_to_files_are_read_and_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/a.wav", "songs/b.wav")
    songs = tmp_path / "songs"
    (songs / "linked.wav").symlink_to(tmp_path / "elsewhere/a.wav")
    (songs / "loop").symlink_to(songs)
    (songs / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    os.mkfifo(songs / "pipe.wav")
    found = find_songs(songs)
    assert [song.name for song in found.found] == ["b.wav", "linked.wav"]
    assert {skipped.file: skipped.reason for skipped in found.skipped} == {
        "gone.wav": "it is a link to nothing",
        "loop": "it is a link to a folder",
        "pipe.wav": "it is no plain file",
    }


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read")
def test_what_may_not_be_read_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", "b.wav", "x/c.wav")
    (tmp_path / "b.wav").chmod(0)
    (tmp_path / "x").chmod(0)
    found = find_songs(tmp_path)
    (tmp_path / "x").chmod(0o700)
    assert [song.name for song in found.found] == ["a.wav"]
    assert [skipped.file for skipped in found.skipped] == ["x", "b.wav"]


def test_a_single_file_is_a_song_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, "tape.bin", "tape.txt", "other.wav")
    songs = find_songs(tmp_path / "tape.bin")
    assert [song.name for song in songs.found] == ["tape.bin"]
    assert set(songs.files) == {"tape.bin", "tape.txt"}


def test_a_folder_without_songs(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.pdf")
    with pytest.raises(DatasetError, match=r"holds no songs: expected wav.*choose another"):
        find_songs(tmp_path)


@pytest.mark.parametrize("pack", [pack_zip, pack_tar, pack_tgz])
def test_an_archive_is_a_folder_of_songs(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    path = pack(tmp_path / "songs", [("x/b.wav", b"1"), ("a.MP3", b"2"), ("x/b.txt", b"words")])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_songs(path, scratch) as songs:
        assert [song.name for song in songs.found] == ["a.MP3", "x/b.wav"]
        assert [song.path.read_bytes() for song in songs.found] == [b"2", b"1"]
        assert songs.files["x/b.txt"].read_bytes() == b"words"
    assert list(scratch.iterdir()) == []


def test_an_archive_of_text_files(tmp_path: Path) -> None:
    path = pack_zip(tmp_path / "texts.zip", [("a.txt", b"1"), ("b.txt", b"2")])
    with (
        pytest.raises(DatasetError, match=r"texts\.zip holds no songs"),
        open_songs(path, tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == [path]


def test_a_song_is_no_archive(tmp_path: Path) -> None:
    write(tmp_path, "a.wav")
    with open_songs(tmp_path / "a.wav", tmp_path) as songs:
        assert len(songs.found) == 1
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"RIFF"))
    with pytest.raises(DatasetError, match="no tar"), open_songs(tmp_path / "b.gz", tmp_path):
        pass
