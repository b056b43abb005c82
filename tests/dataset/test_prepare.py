"""From songs to a data set: once, whatever happens, and with what people wrote."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from songloom.audio.files import Audio, write_audio
from songloom.checkpoints.load import load_components
from songloom.dataset import work
from songloom.dataset.labels import Labels
from songloom.dataset.manifest import Song, read_dataset, tokens_path
from songloom.dataset.prepare import Prepared, check_fits, choose_held_out, prepare
from songloom.dataset.token_store import SongTokens, read_record, write_tokens
from songloom.errors import Cancelled, DatasetError, OutputError
from songloom.progress import Notice, PrepareProgress, ProgressEvent
from songloom.training_request import PrepareRequest
from tests.dataset.songs import request_for, tune, write_song, write_songs
from tests.dataset.test_archives import pack_tgz


@pytest.fixture
def coded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of the songs that were coded in this process, in order."""
    seconds: list[float] = []
    tokenize = work.tokenize

    def counting(audio: Audio, *rest: Any) -> SongTokens:
        seconds.append(round(audio.seconds, 1))
        return tokenize(audio, *rest)

    monkeypatch.setattr(work, "tokenize", counting)
    return seconds


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "songs.jsonl").read_text("utf-8").splitlines()]


def write_lines(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "songs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def ninety(audio: Audio) -> Labels:
    sources = {"bpm": "test", "mood": "test"}
    return Labels(bpm=90.0, mood=("calm",), confidence={"bpm": 0.5}, sources=sources)


def test_a_folder_becomes_a_data_set(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 4)
    write_song(songs / "x" / "deep.OGG".lower(), 9)
    (songs / "song 1.txt").write_text("Its own words.")
    events: list[ProgressEvent] = []
    request = request_for(songs, tmp_path, melody=True, caption="The same words.")
    prepared = prepare(request, tmp_path / "set", on_event=events.append, labellers=[ninety])

    dataset = prepared.dataset
    assert [song.file for song in dataset.songs] == [
        *(f"song {n}.wav" for n in range(4)),
        "x/deep.ogg",
    ]
    assert prepared.skipped == ()
    assert (prepared.coded, dataset.seconds) == (5, pytest.approx(12.5, abs=0.1))
    captions = {song.file: song.caption for song in dataset.songs}
    assert captions.pop("song 1.wav") == "Its own words."
    assert set(captions.values()) == {"The same words."}
    assert all(song.labels == ninety(tune(0)) for song in dataset.songs)
    assert sum(song.held_out for song in dataset.songs) == 1
    for song in dataset.songs:
        tokens = dataset.tokens(song)
        assert tokens.codes.shape == (4, 125)
        assert tokens.chroma is not None
    progress = [event for event in events if isinstance(event, PrepareProgress)]
    assert [event.songs_done for event in progress] == list(range(6))
    assert progress[0].seconds_total == pytest.approx(12.5, abs=0.2)
    assert progress[-1].seconds_done == dataset.seconds == progress[-1].seconds_total
    check_fits(dataset, load_components(request.model_version))


def test_a_second_run_does_only_what_is_missing(tmp_path: Path, coded: list[float]) -> None:
    songs, folder = write_songs(tmp_path / "songs", 3), tmp_path / "set"
    request = request_for(songs, tmp_path)
    first = prepare(request, folder)
    assert (len(coded), first.coded) == (3, 3)
    again = prepare(request, folder)
    assert (len(coded), again.coded) == (3, 0)
    assert again.dataset == first.dataset

    write_song(songs / "new.wav", 7, seconds=3)
    (songs / "song 0.wav").rename(songs / "renamed.wav")
    third = prepare(request, folder)
    assert coded[3:] == [3.0]
    assert [song.file for song in third.dataset.songs] == [
        "new.wav", "renamed.wav", "song 1.wav", "song 2.wav",
    ]  # fmt: skip

    (broken := next((folder / "tokens").glob("*.safetensors"))).write_bytes(b"broken")
    prepare(request, folder)
    assert len(coded) == 5
    assert broken.stat().st_size > 100


def test_token_files_of_earlier_versions_get_excerpts(tmp_path: Path, coded: list[float]) -> None:
    songs = write_songs(tmp_path / "songs", 2)
    request = request_for(songs, tmp_path)
    dataset = prepare(request, tmp_path / "data").dataset
    path = tokens_path(dataset.folder, dataset.songs[0].hash)
    tokens = dataset.tokens(dataset.songs[0]).copy()
    assert tokens.excerpts is not None
    write_tokens(path, SongTokens(tokens.codes, tokens.chroma), read_record(path))
    again = prepare(request, tmp_path / "data")
    assert (len(coded), again.coded) == (3, 1)
    kept = again.dataset.tokens(again.dataset.songs[0])
    assert torch.equal(kept.codes, tokens.codes)
    assert kept.excerpts is not None
    assert torch.equal(kept.excerpts.samples, tokens.excerpts.samples)


def test_new_labels_do_not_code_again(tmp_path: Path, coded: list[float]) -> None:
    request = request_for(write_songs(tmp_path / "songs", 2), tmp_path)
    first = prepare(request, tmp_path / "set", labellers=[])
    labelled = replace(request, auto_labeling=True)
    second = prepare(labelled, tmp_path / "set", labellers=[ninety])
    assert (len(coded), second.coded) == (2, 2)
    for before, after in zip(first.dataset.songs, second.dataset.songs, strict=True):
        assert (before.labels.bpm, after.labels.bpm) == (None, 90.0)
        assert torch.equal(first.dataset.tokens(before).codes, second.dataset.tokens(after).codes)


def test_another_codec_codes_again(tmp_path: Path, coded: list[float]) -> None:
    songs = write_songs(tmp_path / "songs", 2)
    mono = prepare(request_for(songs, tmp_path), tmp_path / "set").dataset
    request = request_for(songs, tmp_path, channels=2)
    stereo = prepare(request, tmp_path / "set").dataset
    assert len(coded) == 4
    assert (mono.info.codebooks, stereo.info.codebooks) == (4, 8)
    assert stereo.tokens(stereo.songs[0]).codes.shape[0] == 8
    with pytest.raises(DatasetError, match="made with another codec"):
        mono.tokens(mono.songs[0])
    with pytest.raises(DatasetError, match=r"whose codec differs from.*prepare the songs again"):
        check_fits(mono, load_components(request.model_version))


def test_a_melody_model_needs_melodies(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 1)
    text = prepare(request_for(songs, tmp_path), tmp_path / "set").dataset
    components = load_components(request_for(songs, tmp_path, melody=True).model_version)
    same_codec = replace(text, info=replace(text.info, codec=components.codec.fingerprint()))
    with pytest.raises(DatasetError, match="has no melodies, which"):
        check_fits(same_codec, components)


def test_what_people_edit_stays(tmp_path: Path) -> None:
    songs, folder = write_songs(tmp_path / "songs", 5), tmp_path / "set"
    (songs / "song 3.txt").write_text("old words")
    request = request_for(songs, tmp_path)
    prepare(request, folder, labellers=[ninety])

    rows = lines(folder)
    rows[0] |= {"caption": "edited", "bpm": 45, "mood": []}
    rows[1] |= {"held_out": not rows[1]["held_out"]}
    del rows[4]
    write_lines(folder, rows[::-1])
    (songs / "song 3.txt").write_text("new words")
    for _ in range(3):  # an edit lasts, however often
        prepared = prepare(request, folder, labellers=[ninety])
        first, second, third, fourth = prepared.dataset.songs
        assert (first.caption, first.labels.bpm, first.labels.mood) == ("edited", 45.0, ())
        assert first.labels.sources == {"bpm": "edited", "mood": "edited"}
        assert first.labels.confidence == {}
        assert second.held_out == rows[1]["held_out"]
        assert third.labels == ninety(tune(0))
        assert fourth.caption == "new words"
        (skipped,) = prepared.skipped
        assert skipped.file == "song 4.wav"
        assert skipped.reason.startswith("its line in songs.jsonl was deleted; copy it back")

    path = songs / "song 0.wav"  # the same song, exported anew
    write_audio(path, tune(100), format="wav")
    assert prepare(request, folder, labellers=[ninety]).dataset.songs[0].caption == "edited"

    with (folder / "songs.jsonl").open("a") as file:
        file.write((folder / "tokens" / "songs.jsonl").read_text().splitlines()[-1] + "\n")
    assert len(prepare(request, folder).dataset.songs) == 5


def test_edits_that_make_no_sense_are_not_overwritten(tmp_path: Path) -> None:
    request = request_for(write_songs(tmp_path / "songs", 1), tmp_path)
    prepare(request, tmp_path / "set")
    (tmp_path / "set" / "songs.jsonl").write_text('{"caption": "my words"')
    with pytest.raises(DatasetError, match=r"songs\.jsonl, line 1 is not JSON"):
        prepare(request, tmp_path / "set")
    assert "my words" in (tmp_path / "set" / "songs.jsonl").read_text()


def test_a_table_wins_over_what_lies_beside_and_over_analysis(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 2)
    (songs / "song 0.json").write_text('{"caption": "beside", "genre": ["beside"]}')
    table = tmp_path / "labels.csv"
    table.write_text("file,caption,bpm\nsong 0,from the table,120\n")
    request = request_for(songs, tmp_path, labels=table)
    first, second = prepare(request, tmp_path / "set", labellers=[ninety]).dataset.songs
    assert first.caption == "from the table"
    labels = first.labels
    assert (labels.bpm, labels.genre, labels.mood) == (120.0, ("beside",), ("calm",))
    assert labels.sources == {"bpm": "file", "genre": "file", "mood": "test"}
    assert (second.caption, second.labels) == (None, ninety(tune(0)))
    table.write_text("file,bpm\nsong 7,120\n")
    with pytest.raises(DatasetError, match=r"labels\.csv, line 2: there is no song 'song 7'"):
        prepare(request, tmp_path / "other")


def bad_songs(folder: Path) -> Iterator[tuple[str, str]]:
    """Songs that cannot be used, with what is said about them."""
    write_song(folder / "short.wav", seconds=0.5)
    yield "short.wav", "it is 0.50 s long: expected a song of at least 2 s"
    write_audio(folder / "silent.wav", Audio(torch.zeros(1, 96_000), 32_000), format="wav")
    yield "silent.wav", "it is silent"
    samples = tune(1).samples
    samples[0, 7] = torch.nan
    soundfile.write(folder / "nan.wav", samples.T.numpy(), 32_000, "FLOAT")
    yield "nan.wav", "it holds 1 samples that are NaN"
    (folder / "text.mp3").write_text("no music " * 100)
    yield "text.mp3", "it is not audio that can be read"
    (folder / "empty.flac").touch()
    yield "empty.flac", "it is empty (0 bytes)"
    path = write_song(folder / "cut.wav", 3)
    path.write_bytes(path.read_bytes()[:50_000])
    yield "cut.wav", "it is truncated: its header promises 2.50 s"
    write_song(folder / "described.wav", 4)
    (folder / "described.json").write_text("{")
    yield "described.wav", "described.json is not JSON"


def test_bad_songs_among_good_ones_are_skipped(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 2)
    shutil.copy(songs / "song 0.wav", songs / "twin.wav")
    expected = {"twin.wav": "it is the same file as song 0.wav", **dict(bad_songs(songs))}
    prepared = prepare(request_for(songs, tmp_path), tmp_path / "set")
    assert [song.file for song in prepared.dataset.songs] == ["song 0.wav", "song 1.wav"]
    assert prepared.coded == 2
    reasons = {skipped.file: skipped.reason for skipped in prepared.skipped}
    assert set(reasons) == set(expected)
    for file, reason in expected.items():
        assert reasons[file].startswith(reason)


def test_none_left_is_an_error(tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "short.wav", seconds=0.5)
    with pytest.raises(
        DatasetError, match=r"no song that can be used.*'short\.wav': it is 0\.50 s"
    ):
        prepare(request_for(tmp_path / "songs", tmp_path), tmp_path / "set")
    assert not (tmp_path / "set" / "songs.jsonl").exists()


def test_an_archive(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 2)
    members = [(f"album\n/{path.name}", path.read_bytes()) for path in sorted(songs.iterdir())]
    (songs / "short.wav").unlink(missing_ok=True)
    short = write_song(tmp_path / "short.wav", seconds=0.5).read_bytes()
    path = pack_tgz(tmp_path / "songs.tgz", [*members, ("short.wav", short)])
    prepared = prepare(request_for(path, tmp_path), tmp_path / "set")
    assert [song.file for song in prepared.dataset.songs] == [
        "album\n/song 0.wav", "album\n/song 1.wav",
    ]  # fmt: skip
    assert prepared.skipped[0].reason.startswith("it is 0.50 s long")
    names = {path.name for path in (tmp_path / "set").iterdir()}
    assert names - {".lock"} == {"dataset.json", "songs.jsonl", "tokens"}


@pytest.mark.slow
def test_processes_give_the_same(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 3)
    write_song(songs / "short.wav", seconds=0.5)
    alone = prepare(request_for(songs, tmp_path, processes=1), tmp_path / "alone")
    apart = prepare(request_for(songs, tmp_path, processes=2), tmp_path / "apart")
    assert apart.dataset.songs == alone.dataset.songs
    assert apart.skipped == alone.skipped
    assert apart.skipped[0].reason.startswith("it is 0.50 s long")
    for song in alone.dataset.songs:
        assert torch.equal(apart.dataset.tokens(song).codes, alone.dataset.tokens(song).codes)


SCRIPT = """
from pathlib import Path
from songloom.dataset.prepare import prepare
from songloom.training_request import PrepareRequest
print("begun")
request = PrepareRequest(
    dataset_path=Path({songs!r}), auto_labeling=False, model_version={model!r}, processes=2
)
prepare(request, Path({folder!r}), on_event=lambda event: print(event.songs_done, flush=True))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="counts on signals")
def test_a_killed_preparation_goes_on_where_it_was(tmp_path: Path, coded: list[float]) -> None:
    songs, folder = write_songs(tmp_path / "songs", 6), tmp_path / "set"
    request = request_for(songs, tmp_path)
    # As in a script that does not guard its main part.
    script = SCRIPT.format(songs=str(songs), model=request.model_version, folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        said = [run.stdout.readline().strip() for _ in range(4)]
        run.kill()
    assert said == ["begun", "0", "1", "2"]
    assert 2 <= len(list((folder / "tokens").glob("*.safetensors"))) <= 6
    assert len(prepare(request, folder).dataset.songs) == 6
    assert len(coded) <= 4


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="counts on signals")
def test_a_song_that_ends_a_process_is_skipped(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 3)
    crash = tmp_path / "sitecustomize.py"  # Python imports it at its start
    crash.write_text(
        "import os, songloom.dataset.token_store as tokens\n"
        "read = tokens.read_recording\n"
        "def crashing(path, *rest):\n"
        "    if path.name == 'song 1.wav': os.kill(os.getpid(), 9)\n"
        "    return read(path, *rest)\n"
        "tokens.read_recording = crashing\n"
    )
    request = request_for(songs, tmp_path, processes=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        prepared = prepare(request, tmp_path / "set")
    assert [song.file for song in prepared.dataset.songs] == ["song 0.wav", "song 2.wav"]
    assert "ended the process that decoded it (exit code -9)" in prepared.skipped[0].reason


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_it_can_be_stopped(tmp_path: Path, processes: int) -> None:
    songs = write_songs(tmp_path / "songs", 4)
    request = request_for(songs, tmp_path, processes=processes)
    done: list[int] = []

    def note(event: ProgressEvent) -> None:
        assert isinstance(event, PrepareProgress)
        done.append(event.songs_done)

    with pytest.raises(Cancelled, match="start it again to go on"):
        prepare(request, tmp_path / "set", on_event=note, cancelled=lambda: done[-1] >= 1)
    assert done[-1] < 4
    assert len(prepare(request, tmp_path / "set").dataset.songs) == 4


def test_errors_of_tools_are_not_songs_faults(tmp_path: Path) -> None:
    def broken(audio: Audio) -> Labels:
        raise ZeroDivisionError

    request = request_for(write_songs(tmp_path / "songs", 2), tmp_path)
    with pytest.raises(ZeroDivisionError):
        prepare(request, tmp_path / "set", labellers=[broken])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be written")
def test_a_read_only_output(tmp_path: Path) -> None:
    request = request_for(write_songs(tmp_path / "songs", 1), tmp_path)
    (tmp_path / "set").mkdir(mode=0o500)
    with pytest.raises(OutputError, match=r"set' cannot be written \(Permission denied"):
        prepare(request, tmp_path / "set")


def test_an_output_that_cannot_be_made(tmp_path: Path) -> None:
    request = request_for(write_songs(tmp_path / "songs", 1), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/set' cannot be written \(Not a directory"):
        prepare(request, tmp_path / "file" / "set")


def test_an_output_that_holds_something_else(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", 1)
    with pytest.raises(OutputError, match=r"holds something else \('song 0\.wav'\).*an empty one"):
        prepare(request_for(songs, tmp_path), songs)


def test_two_preparations_of_one_folder(tmp_path: Path) -> None:
    request = request_for(write_songs(tmp_path / "songs", 1), tmp_path)
    (tmp_path / "set").mkdir()
    with (
        FileLock(tmp_path / "set" / ".lock"),
        pytest.raises(OutputError, match="is being prepared already"),
    ):
        prepare(request, tmp_path / "set")


def test_a_data_set_is_no_folder_of_songs(tmp_path: Path) -> None:
    request = request_for(write_songs(tmp_path / "songs", 1), tmp_path)
    prepare(request, tmp_path / "set")
    with pytest.raises(DatasetError, match="is a data set already: expected songs"):
        prepare(replace(request, dataset_path=tmp_path / "set"), tmp_path / "other")


def test_vocals_are_removed_before_coding_and_after_labelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quieter(audio: Audio) -> Iterator[torch.Tensor]:
        yield from (0.01 * piece for piece in audio.samples.split(30_000, dim=1))

    heard: list[float] = []

    def listen(audio: Audio) -> Labels:
        heard.append(float(audio.samples.abs().max()))
        return Labels()

    coded: list[float] = []
    tokenize = work.tokenize

    def spying(audio: Audio, *rest: Any) -> SongTokens:
        coded.append(float(audio.samples.abs().max()))
        return tokenize(audio, *rest)

    monkeypatch.setattr(work, "tokenize", spying)
    monkeypatch.setattr(work, "vocal_remover_for", lambda request: quieter)
    monkeypatch.setenv("PATH", "")
    notices: list[str] = []

    def note(event: ProgressEvent) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    request = replace(request_for(write_songs(tmp_path / "songs", 1), tmp_path), drop_vocals=True)
    prepared: Prepared = prepare(request, tmp_path / "set", labellers=[listen], on_event=note)
    assert prepared.dataset.info.vocals == "removed by builtin"
    assert notices == ["vocals are removed by builtin"]
    assert heard == [pytest.approx(0.3, abs=0.01)]
    assert coded == [pytest.approx(0.003, abs=0.001)]


HASHES = st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), unique=True, max_size=60)


@pytest.mark.slow
@given(HASHES, st.sampled_from([0.0, 0.1, 0.5]))
def test_some_songs_are_held_out(hashes: list[str], share: float) -> None:
    held_out = choose_held_out(hashes, share)
    assert held_out == choose_held_out(hashes[::-1], share)
    assert held_out <= set(hashes)
    expected = 0 if len(hashes) < 4 or share == 0 else max(1, round(share * len(hashes)))
    assert len(held_out) == expected


def test_the_data_set_can_be_moved(tmp_path: Path) -> None:
    request: PrepareRequest = request_for(write_songs(tmp_path / "songs", 1), tmp_path)
    prepare(request, tmp_path / "set")
    (tmp_path / "set").rename(tmp_path / "moved")
    dataset = read_dataset(tmp_path / "moved")
    song: Song = dataset.songs[0]
    assert dataset.tokens(song).codes.shape == (4, 125)
