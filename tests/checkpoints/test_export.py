"""Both layouts, there and back; and the libraries that they are for read what we write."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    MusicgenForConditionalGeneration,
    MusicgenMelodyForConditionalGeneration,
    T5EncoderModel,
)

from songloom.checkpoints.export import export
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError, OutputError
from tests.tiny import tiny_model

KINDS = [(melody, channels) for melody in (False, True) for channels in (1, 2)]


@pytest.mark.parametrize(
    ("melody", "channels", "dtype"),
    [(False, 1, torch.float16), (False, 2, torch.float32), (True, 2, torch.bfloat16)],
)
def test_there_and_back(tmp_path: Path, melody: bool, channels: int, dtype: torch.dtype) -> None:
    source = tiny_model(tmp_path / "source", melody=melody, channels=channels)
    before = {n: t.to(dtype) for n, t in load_file(source / "model.safetensors").items()}
    save_file(before, source / "model.safetensors")
    there = export(source, tmp_path / "there", "reference")
    back = export(there, tmp_path / "back", "transformers")
    after = load_file(back / "model.safetensors")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert {tensor.dtype for tensor in after.values()} == {dtype}
    again = export(back, tmp_path / "again", "reference")
    for file in ("state_dict.bin", "compression_state_dict.bin"):
        first, second = (torch.load(f / file, weights_only=True) for f in (there, again))
        assert first["xp.cfg"] == second["xp.cfg"]
        assert list(first["best_state"]) == list(second["best_state"])
        assert all(torch.equal(first["best_state"][n], t) for n, t in second["best_state"].items())
    original, result = load_components(source), load_components(back)
    assert original.lm.config == result.lm.config
    assert original.text("slow jazz").equal(result.text("slow jazz"))


@pytest.mark.parametrize(("melody", "channels"), KINDS)
def test_transformers_loads_what_we_write(tmp_path: Path, melody: bool, channels: int) -> None:
    source = tiny_model(tmp_path / "source", melody=melody, channels=channels)
    folder = export(source, tmp_path / "out", "transformers")
    model_class = (
        MusicgenMelodyForConditionalGeneration if melody else MusicgenForConditionalGeneration
    )
    model, report = model_class.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert model.generation_config.max_length == 100
    assert model.config.decoder.audio_channels == channels
    state = model.state_dict()
    before = load_file(source / "model.safetensors")
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())
    assert AutoTokenizer.from_pretrained(folder)("warm felt piano").input_ids == [3, 4, 5, 1]


def test_transformers_loads_the_text_encoder_beside(tmp_path: Path) -> None:
    folder = export(tiny_model(tmp_path / "source"), tmp_path / "out", "reference")
    encoder, report = T5EncoderModel.from_pretrained(
        folder / "text_encoder", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    ids = torch.tensor([[3, 4, 1]])
    with torch.inference_mode():
        states = encoder.eval()(input_ids=ids).last_hidden_state
    torch.testing.assert_close(load_components(folder).text("warm felt"), states)


def test_the_licence_goes_with_the_weights(tmp_path: Path) -> None:
    source = tiny_model(tmp_path / "source")
    (source / "README.md").write_text("---\ntags: [music]\nlicense: cc-by-nc-4.0\n---\n# Tiny\n")
    assert load_components(source).info.licence == "cc-by-nc-4.0"
    folder = export(source, tmp_path / "out", "reference")
    assert load_components(folder).info.licence == "cc-by-nc-4.0"
    assert "text encoder" in (folder / "README.md").read_text()


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    source = tiny_model(tmp_path / "source")
    target = tmp_path / "target"
    target.mkdir()
    (target / "song.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        export(source, target, "reference")
    with pytest.raises(OutputError, match="not empty"):
        export(source, target / "song.txt", "reference")
    assert [p.name for p in target.iterdir()] == ["song.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "target"]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tiny_model(tmp_path / "source")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("songloom.checkpoints.export._readme", full)
    with pytest.raises(OutputError, match="no space left"):
        export(source, tmp_path / "deep" / "target", "transformers")
    assert list((tmp_path / "deep").iterdir()) == []


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    folder = export(tiny_model(tmp_path / "source"), tmp_path / "target")
    assert json.loads((folder / "config.json").read_text())["model_type"] == "musicgen"
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_what_transformers_has_no_place_for(tmp_path: Path) -> None:
    source = tiny_model(tmp_path / "source", hidden_size=32, text_size=32)
    folder = export(source, tmp_path / "reference", "reference")
    again = export(folder, tmp_path / "identity", "transformers")
    assert load_components(again).lm.config == load_components(source).lm.config
    path = folder / "state_dict.bin"
    content = torch.load(path, weights_only=True)
    name = "condition_provider.conditioners.description.output_proj.weight"
    content["best_state"][name] *= 2
    torch.save(content, path)
    with pytest.raises(ModelError, match="export it in the reference layout"):
        export(folder, tmp_path / "transformers", "transformers")


def test_delays_that_transformers_does_not_know(tmp_path: Path) -> None:
    folder = export(tiny_model(tmp_path / "source"), tmp_path / "reference", "reference")
    path = folder / "state_dict.bin"
    content = torch.load(path, weights_only=True)
    cfg = yaml.safe_load(content["xp.cfg"])
    cfg["codebooks_pattern"]["delay"]["delays"] = [0, 2, 4, 6]
    torch.save({**content, "xp.cfg": yaml.safe_dump(cfg)}, path)
    assert load_components(folder).lm.config.delays == (0, 2, 4, 6)
    with pytest.raises(ModelError, match=r"delays its codebooks by \(0, 2, 4, 6\)"):
        export(folder, tmp_path / "out", "transformers")


def test_reading_and_writing_is_quiet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tiny_model(tmp_path / "source", melody=True)
    capfd.readouterr()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        export(source, tmp_path / "out", "transformers")
        load_components(tmp_path / "out")
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
