"""The tagger end to end, on small networks of the published names and shapes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from songloom.audio.files import Audio
from songloom.dataset.tagging import effnet
from songloom.dataset.tagging.downloads import FILES, FOLDER_VARIABLE
from songloom.dataset.tagging.effnet import EffNet, load_effnet
from songloom.dataset.tagging.tags import genres_and_styles, select_above
from songloom.errors import MissingExtraError, ModelError
from tests.audio.sounds import tones
from tests.dataset.tagging.onnx_files import write_tagger

pytest.importorskip("onnxruntime", reason="onnxruntime (the extra 'tagging') is not installed")


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_tags_of_a_song(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int | str) -> None:
    write_tagger(tmp_path, batch)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    labels = load_effnet()(Audio(tones(10, 32000, 2), 32000))
    assert labels.genre == ("Electronic", "House", "Techno")  # above 0.1, each word once
    assert labels.mood == ("dark", "happy")  # above 0.05
    assert labels.instruments == ("synthesizer",)
    assert labels.confidence == pytest.approx(
        {"genre": 0.6, "mood": 0.2, "instruments": 0.8}, abs=2e-3
    )
    assert set(labels.sources.values()) == {"discogs-effnet"}
    assert labels.bpm is None


def test_long_songs_go_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tagger(tmp_path)
    tagger = EffNet(tmp_path)
    audio = Audio(tones(12, 16000), 16000)
    whole = tagger._mean_probabilities(audio)
    monkeypatch.setattr(effnet, "PIECE_SECONDS", 4.0)
    pieces = tagger._mean_probabilities(audio)
    assert whole is not None
    assert pieces is not None
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "rate", "tagged"),
    [
        (torch.zeros(1, 32000), 32000, False),
        (torch.zeros(2, 0), 32000, False),
        (torch.full((1, 8000), torch.nan), 8000, False),
        (torch.ones(1, 1), 16000, True),
        (tones(0.5, 8000), 8000, True),
    ],
)
def test_odd_sounds(tmp_path: Path, samples: torch.Tensor, rate: int, tagged: bool) -> None:
    write_tagger(tmp_path)
    assert bool(EffNet(tmp_path)(Audio(samples, rate)).genre) == tagged


def test_onnxruntime_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'songloom\[tagging\]'"):
        load_effnet()


def test_broken_network(tmp_path: Path) -> None:
    write_tagger(tmp_path)
    (tmp_path / FILES[0].name).write_bytes(b"<html>not found</html>")
    with pytest.raises(ModelError, match="can't be read as an ONNX network"):
        EffNet(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"classes": "house"}', '{"classes": [1]}'])
def test_broken_classes(tmp_path: Path, text: str) -> None:
    write_tagger(tmp_path)
    (tmp_path / FILES[3].name).write_text(text)
    with pytest.raises(ModelError, match="does not name the classes"):
        EffNet(tmp_path)


def test_classes_of_another_network(tmp_path: Path) -> None:
    write_tagger(tmp_path)
    (tmp_path / FILES[1].name).write_text(json.dumps({"classes": ["a", "b"]}))
    with pytest.raises(ModelError, match="0 outputs of width 2"):
        EffNet(tmp_path)


def test_thresholds_and_order() -> None:
    assert select_above(np.array([0.1, 0.3, 0.2]), ["a", "b", "c"], 0.1) == {"b": 0.3, "c": 0.2}
    assert genres_and_styles(["Rock---Punk", "Rock---Surf", "Blues"]) == (
        "Rock", "Punk", "Surf", "Blues",
    )  # fmt: skip
