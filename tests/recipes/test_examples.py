import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipes.nano.bank import NOTE_SECONDS
from recipes.nano.compose import waltz
from recipes.nano.compose.instruments import BAND
from recipes.nano.compose.theory import SAMPLE_RATE, Key
from recipes.nano.compose.waltz import (
    GRID,
    HARMONY_LOW,
    HIGHEST_PITCH,
    SIXTEENTHS,
    Waltz,
    compose_waltz,
)
from recipes.nano.examples import (
    CAPTIONS,
    FOLDER,
    Notes,
    caption,
    file_stem,
    render,
    songs,
    write_songs,
)

SONGS = {file_stem(number, song): song for number, song in enumerate(songs(), start=1)}


@pytest.fixture(params=SONGS.items(), ids=SONGS)
def shipped(request) -> tuple[Path, Waltz]:
    stem, song = request.param
    return FOLDER / f"{stem}.ogg", song


@pytest.fixture(scope="module")
def tones() -> Notes:
    """Decaying sines in the place of the three players."""
    time = np.arange(int(NOTE_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    hertz = 440 * 2 ** ((np.arange(HARMONY_LOW, HIGHEST_PITCH + 1) - 69) / 12)
    notes = (0.1 * np.sin(2 * np.pi * hertz[:, None] * time) * np.exp(-5 * time)).astype(np.float32)
    return dict.fromkeys(waltz.PROGRAMS, notes)


def test_nothing_of_the_waltz_is_known_to_nano():
    assert not set(waltz.PROGRAMS) & {player.name for player in BAND}
    assert not set(waltz.PROGRAMS.values()) & {player.program for player in BAND}


def test_a_title_gives_one_waltz_and_another_title_another():
    key = Key(0, "major")
    assert compose_waltz("Tin", key, 6) == compose_waltz("Tin", key, 6)
    assert compose_waltz("Tin", key, 6).bars != compose_waltz("Tinsel", key, 6).bars


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_notes_stay_in_their_bar_in_the_key_and_in_the_bank(tonic, mode):
    song = compose_waltz("Tin", Key(tonic, mode), 6)
    for note in (note for bar in song.bars for note in bar):
        assert note.onset >= 0
        assert note.length > 0
        assert note.onset + note.length <= SIXTEENTHS
        assert HARMONY_LOW <= note.pitch <= HIGHEST_PITCH
        assert note.instrument == waltz.TICK or note.pitch % 12 in song.key.pitch_classes


def test_songs_differ_and_last_half_a_minute():
    assert len({song.bars for song in songs()}) == len(songs()) == 8
    assert len({song.bpm for song in songs()}) >= 4
    assert len({song.key for song in songs()}) >= 5
    assert len({(song.key, song.bpm) for song in songs()}) == len(songs())
    assert all(30 <= song.seconds <= 40 for song in songs())
    assert set(CAPTIONS) == {song.title for song in songs()}


def test_songs_share_a_bar_at_most():
    for one, other in combinations(songs(), 2):
        shared = set(one.bars) & set(other.bars) if one.bpm == other.bpm else set()
        assert len(shared) <= 1


def test_songs_to_hold_out_share_none():
    for song in songs()[-2:]:
        others = [other for other in songs() if other.bpm == song.bpm and other != song]
        assert others
        assert not any(set(other.bars) & set(song.bars) for other in others)


def test_a_song_has_an_introduction_and_comes_to_rest():
    for song in songs():
        assert all(note.instrument != waltz.LEAD for note in song.bars[0])
        assert {note.length for note in song.bars[-1]} == {SIXTEENTHS}
        assert {note.pitch % 12 for note in song.bars[-1]} == set(song.key.triad(0))


def test_captions_are_true():
    for song in songs():
        text = caption(song)
        assert "clockwork waltz" in text.lower()
        assert "{" not in text
        for bpm in re.findall(r"(\d+) (?:bpm|beats)", text):
            assert int(bpm) == round(song.bpm)
        for key in re.findall(r"\b([A-G][#b]? (?:major|minor))", text):
            assert key == song.key.name


def test_shipped_songs_are_those_of_the_composer(shipped):
    path, song = shipped
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == SAMPLE_RATE
    assert len(audio) == pytest.approx(song.seconds * rate, abs=1)
    assert 0.2 < np.abs(audio).max() <= 1.0
    assert path.with_suffix(".txt").read_text(encoding="utf-8") == caption(song) + "\n"


def test_shipped_songs_tick_three_to_the_bar(shipped):
    path, song = shipped
    audio, _ = soundfile.read(path, dtype="float32")
    frames = audio[: len(audio) // (GRID // 2) * (GRID // 2)].reshape(-1, GRID // 2)
    loudness = np.log1p(10 * np.abs(np.fft.rfft(frames, axis=1)))
    onsets = np.diff(loudness, axis=0).clip(min=0).sum(axis=1)
    onsets -= onsets.mean()
    correlation = np.correlate(onsets, onsets, "full")[len(onsets) - 1 :] / (onsets @ onsets)
    beat = 2 * 4 * song.grid_per_sixteenth  # in steps of half the grid
    waltz_bar, march_bar = correlation[3 * beat], correlation[4 * beat]
    assert correlation[beat] > 0.4
    assert waltz_bar > march_bar


def test_the_folder_is_small_and_holds_nothing_else():
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {"README.md"} | {f"{stem}{end}" for stem in SONGS for end in (".ogg", ".txt")}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 3e6


def test_a_bar_of_three_beats_is_rendered_as_long_as_it_is(tones):
    song = songs()[0]
    audio = render(song, tones)
    assert len(audio) == round(song.seconds * SAMPLE_RATE)
    assert np.abs(audio).max() > 0.1


def test_songs_are_written_with_their_captions(tones, tmp_path):
    paths = list(write_songs(tmp_path, tones))
    assert [path.stem for path in paths] == list(SONGS)
    assert soundfile.info(paths[0]).frames == round(songs()[0].seconds * SAMPLE_RATE)
    assert paths[0].with_suffix(".txt").read_text(encoding="utf-8").endswith("bpm.\n")
    assert not list(tmp_path.glob("*.part"))
