"""All stages on toy sizes: from tones to a folder that transformers and songloom load."""

import json
import sys

import pytest
import torch

from recipes.nano import __main__ as recipe
from recipes.nano import copying, judge
from recipes.nano.bank import save_bank
from recipes.nano.runs import before
from recipes.nano.train_lm import train_lm
from songloom import GenerationRequest, load
from tests.recipes.banks import tone_bank


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["recipes.nano", *arguments])
    recipe.main()


@pytest.mark.slow
def test_every_stage_from_tones_to_a_model(tmp_path, monkeypatch, capsys, tokenizer):
    work, out = tmp_path / "work", tmp_path / "model"
    work.mkdir()
    save_bank(work / "bank.npz", tone_bank())
    tokenizer.save(str(work / "tokenizer.json"))
    none = str(tmp_path / "none")
    smoke = (
        "--smoke",
        "--recordings",
        none,
        "--work",
        str(work),
        "--out",
        str(out),
        "--threads",
        "1",
        "--device",
        "cpu",
    )
    run(monkeypatch, "all", *smoke)

    shown = capsys.readouterr().out
    assert "logits differ from transformers' by" in shown
    assert float(shown.split("transformers' by ")[1].split()[0]) < 1e-4
    config = json.loads((out / "config.json").read_text())
    assert config["chroma_length"] == 16
    assert config["audio_encoder"]["codebook_size"] == 1024
    assert (out / "tokenizer.json").exists()
    assert not list(tmp_path.rglob("*.part"))

    track = next(iter(load(str(out)).generate([GenerationRequest(prompt="jazz", duration=1)])))
    assert track.audio.shape == (1, 32_000)

    # A second run finds everything done.
    for stage in ("codec", "reading", "lm"):
        run(monkeypatch, stage, *smoke)
    assert "from step 3 of 3" in (work / "lm.log").read_text()
    assert "codec from step 2" in (work / "codec.log").read_text()

    _judged(out, work, monkeypatch, capsys)


def _judged(out, work, monkeypatch, capsys) -> None:
    monkeypatch.setattr(judge, "FITTED_CLIPS", 20)
    monkeypatch.setattr(judge, "SECONDS", 2)
    monkeypatch.setattr(judge, "CONTINUED_SECONDS", 1)
    monkeypatch.setattr(copying, "COMPARED", 10)
    options = ("--model", str(out), "--work", str(work), "--clips", "4", "--json")
    monkeypatch.setattr(sys, "argv", ["recipes.nano.judge", *options])
    judge.main()
    numbers = json.loads(capsys.readouterr().out.splitlines()[-1])
    shares = {"tempo", "key", "mode", "style", "instruments", "drums"}
    assert set(numbers) > shares | {f"{name}_of_renders" for name in shares}
    assert all(0 <= numbers[name] <= 1 for name in shares)
    assert {"si_sdr", "melody", "melody_codec", "continued_key", "variety"} < set(numbers)


def test_smoke_does_not_replace_the_real_model(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "all", "--smoke")
    assert "--out" in capsys.readouterr().err


def test_a_training_that_is_stopped_goes_on_as_it_would_have(tmp_path, sampler, tokenizer, coder):
    for folder, stops in (("whole", (None,)), ("parts", (2, None))):
        (tmp_path / folder).mkdir()
        for stop in stops:
            model = train_lm(
                tmp_path / folder, tokenizer, sampler, coder, recipe.SMOKE.model,
                recipe.SMOKE.training, "cpu", before(stop),
            )  # fmt: skip
        torch.save(model.state_dict(), tmp_path / f"{folder}.pt")
    whole, parts = (torch.load(tmp_path / f"{name}.pt") for name in ("whole", "parts"))
    for name, weight in whole.items():
        assert torch.equal(weight, parts[name]), name
