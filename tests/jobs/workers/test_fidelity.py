"""The process that puts songs through a model's codec."""

import json
from pathlib import Path

import pytest

from songloom.audio.files import read_audio
from songloom.jobs.paths import EXCERPT_SIDES, FIGURES_FILE
from songloom.jobs.workers.fidelity import measure
from tests.dataset.songs import write_song
from tests.tiny import tiny_model


def test_a_song_is_heard_both_ways(tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", seconds=14.0)
    model = tiny_model(tmp_path / "model")
    target = tmp_path / "made" / "key"
    told = measure(song, str(model), target)
    assert told["grade"] == "hardly"  # of random weights
    assert "can hardly carry this song" in told["text"]
    assert told["log_mel"] > 1
    assert "SI-SDR" in told["figures"]
    assert json.loads((target / FIGURES_FILE).read_text()) == told
    sounds = [read_audio(target / f"{side}.mp3") for side in EXCERPT_SIDES]
    assert [sound.seconds for sound in sounds] == pytest.approx([10, 10], abs=0.1)


def test_what_can_not_be_measured(tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav")
    target = tmp_path / "key"
    error = measure(song, str(tmp_path / "none"), target)["error"]
    assert "is not on this machine yet; download it first" in error
    bad = tmp_path / "bad.mp3"
    bad.write_text("no sound in here")
    error = measure(bad, str(tiny_model(tmp_path / "model")), target)["error"]
    assert error.startswith("it ")
    assert str(tmp_path) not in error
    assert not target.exists()
