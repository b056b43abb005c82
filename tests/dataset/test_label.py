"""Which labellers a request gets, and how their labels meet."""

from pathlib import Path

import pytest

from songloom.audio.files import Audio
from songloom.dataset.analysis.song import analyse
from songloom.dataset.label import label, labellers_for
from songloom.dataset.labels import Labels
from songloom.dataset.tagging.downloads import FOLDER_VARIABLE
from songloom.errors import ModelError
from songloom.progress import Notice, ProgressEvent
from songloom.training_request import PrepareRequest
from tests.audio.sounds import tone_audio
from tests.dataset.tagging.onnx_files import write_tagger


def test_analysis_by_default_and_nothing_if_asked_for_nothing(tmp_path: Path) -> None:
    assert labellers_for(PrepareRequest(tmp_path)) == [analyse]
    assert labellers_for(PrepareRequest(tmp_path, auto_labeling=False)) == []


def test_a_tagger_adds_to_the_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    write_tagger(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    labellers = labellers_for(PrepareRequest(tmp_path, tagger="effnet"))
    assert len(labellers) == 2
    labels = label(tone_audio(4.0), labellers)
    assert labels.genre == ("Electronic", "House", "Techno")
    assert labels.dynamics == "steady" or labels.dynamics is None
    assert labels.sources["genre"] == "discogs-effnet"


def test_a_tagger_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    request = PrepareRequest(tmp_path, tagger="effnet")
    with pytest.raises(ModelError, match=FOLDER_VARIABLE):
        labellers_for(request)
    events: list[ProgressEvent] = []
    optional = PrepareRequest(tmp_path, tagger="effnet", labels_optional=True)
    assert labellers_for(optional, events.append) == [analyse]
    assert isinstance(events[-1], Notice)
    assert "get no labels by effnet" in events[-1].text


def test_a_later_labeller_wins() -> None:
    def first(audio: Audio) -> Labels:
        return Labels(bpm=90.0, key="C major", confidence={"bpm": 0.6}, sources={"bpm": "a"})

    def second(audio: Audio) -> Labels:
        return Labels(bpm=120.0, sources={"bpm": "b"})

    labels = label(tone_audio(), [first, second])
    assert (labels.bpm, labels.key, labels.sources) == (120.0, "C major", {"bpm": "b"})
    assert "bpm" not in labels.confidence
    assert label(tone_audio(), []) == Labels()
