"""All stages on toy sizes: from notes to a folder that transformers and songloom load."""

import json
import sys

import numpy as np
import pytest
import torch

from recipes.nano import __main__ as recipe
from recipes.nano.codec import Codec, encodec_config
from recipes.nano.tokens import load_held_out_clips, load_training_clips
from tests.recipes.banks import tone_bank


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["recipes.nano", *arguments])
    recipe.main()


@pytest.mark.slow
def test_every_stage_from_notes_to_a_model(tmp_path, monkeypatch, capsys):
    work, out = tmp_path / "work", tmp_path / "model"
    work.mkdir()
    bank = {name: np.round(notes * 32767).astype(np.int16) for name, notes in tone_bank().items()}
    np.savez(work / "bank.npz", **bank)
    smoke = ("--smoke", "--work", str(work), "--out", str(out), "--threads", "1")
    run(monkeypatch, "all", *smoke)

    assert len(load_training_clips(work / "tokens")) == 8
    assert not set(load_training_clips(work / "tokens").seeds) & set(
        load_held_out_clips(work / "tokens").seeds
    )
    shown = capsys.readouterr().out
    assert "logits differ from transformers' by" in shown
    assert float(shown.split("transformers' by ")[1].split()[0]) < 1e-4
    assert json.loads((out / "config.json").read_text())["chroma_length"] == 16
    assert (out / "tokenizer.json").exists()
    assert not list(tmp_path.rglob("*.part"))

    # A second run finds everything done: the codec's budget is spent, no shard is coded again.
    coded = (work / "tokens" / "0000.safetensors").stat().st_mtime_ns
    run(monkeypatch, "tokens", *smoke)
    assert (work / "tokens" / "0000.safetensors").stat().st_mtime_ns == coded


def test_smoke_does_not_replace_the_real_model(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "all", "--smoke")
    assert "--out" in capsys.readouterr().err


def test_the_codec_is_what_transformers_expects():
    torch.manual_seed(0)
    settings = recipe.SMOKE.codec
    config = encodec_config(settings)
    assert config.frame_rate == 50
    assert config.num_quantizers == 4
    codec = Codec(settings).eval()
    audio = torch.randn(1, 310 * 640)  # coded in three pieces
    with torch.inference_mode():
        codec.quantizer.fit(codec.network.encoder(audio[:, None])[0].t(), 40)
        ours = codec.encode(audio)
        theirs = codec.finished_network().encode(audio[:, None]).audio_codes[0]
    assert ours.shape == (1, 4, 310)
    assert torch.equal(ours, theirs)
