"""Trained models as single files: whatever they were trained on, they are of use elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.bases import read_base_fingerprint
from songloom.checkpoints.codec_decoder import write_codec_decoder
from songloom.checkpoints.home import home, model_folder
from songloom.checkpoints.hub import resolve
from songloom.checkpoints.load import load_components
from songloom.checkpoints.sources import find_source
from songloom.errors import BaseChangedError
from songloom.generation.model import load
from songloom.models.encodec import plain_weights
from songloom.models.lora import LoraConfig, add_lora, lora_state
from songloom.request import GenerationRequest
from songloom.training.card import model_card
from songloom.training.decoder_adaptation import tuned_names
from songloom.training.publish import pack_trained
from tests.tiny import tiny_model
from tests.training.summaries import summary

PIECE = GenerationRequest(prompt="piano", duration=0.8, seed=3)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def train(name: str, base: str, config: LoraConfig, seed: int = 1) -> Path:
    """What a training leaves behind."""
    components = load_components(base)
    assert components.source is not None
    lm, generator = components.lm, torch.Generator().manual_seed(seed)
    add_lora(lm, config, generator)
    state = {n: torch.randn(t.shape, generator=generator) * 0.3 for n, t in lora_state(lm).items()}
    folder = model_folder(name)
    shutil.rmtree(folder, ignore_errors=True)
    write_adapter(folder, state, config, lm.config, base, components.source.fingerprint())
    facts = {"name": name, "base": base, "licence": "Apache-2.0", "kind": "adapter"}
    (folder / "songloom.json").write_text(json.dumps(facts))
    about = summary(
        name=name,
        base=base,
        melody=lm.config.melody,
        frame_rate=components.info.frame_rate,
        longest_delay=max(lm.config.delays),
    )
    (folder / "README.md").write_text(model_card(about))
    (folder / "report.html").write_text("<html>")
    return folder


def seconds_of_card(card: str) -> float:
    """Length of what the code on a card makes, which is run in the current folder."""
    match = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert match
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other libraries
        exec(match[1], names)
    model = names["model"]
    rate = model.config.audio_encoder.sampling_rate
    return float(names["audio"].shape[-1] / rate)


@pytest.mark.slow
def test_adapters_on_a_published_model_become_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("first", "nano", LoraConfig(rank=2, alpha=3, targets=("attention",)), seed=1)
    train("second", "first", LoraConfig(rank=3, alpha=1, targets=("attention", "ffn")), seed=2)
    folder = train("third", "second", LoraConfig(rank=1, alpha=2, targets=("heads",)), seed=4)
    here = load("third").generate(PIECE)
    assert not torch.equal(here.tokens, load("nano").generate(PIECE).tokens)
    pack_trained(folder, tmp_path / "weights.tar")
    assert (tmp_path / "weights.tar").stat().st_size < 5e6
    shutil.rmtree(home())
    there = load("weights.tar")
    assert torch.equal(there.generate(PIECE).tokens, here.tokens)
    unpacked = resolve("weights.tar")
    assert json.loads((unpacked / "adapter_config.json").read_text())["r"] == 6
    assert read_base_fingerprint(unpacked) == find_source("nano").fingerprint()
    assert (unpacked / "report.html").read_text() == "<html>"
    assert json.loads((unpacked / "songloom.json").read_text())["base"] == "nano"
    card = (unpacked / "README.md").read_text()
    assert "## Training settings" in card
    assert "(second, first)" in card
    pytest.importorskip("peft")
    monkeypatch.chdir(unpacked)
    assert seconds_of_card(card) == 8.0


@pytest.mark.slow
def test_an_adapter_of_a_model_of_this_machine_becomes_a_whole_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tiny_model(tmp_path / "base", melody=True)
    train("first", str(base), LoraConfig(rank=2), seed=1)
    folder = train("second", "first", LoraConfig(rank=2), seed=2)
    here = load("second").generate(PIECE)
    pack_trained(folder, tmp_path / "weights.tar")
    shutil.rmtree(home())
    shutil.rmtree(base)
    there = load("weights.tar")
    assert torch.equal(there.generate(PIECE).audio, here.audio)
    unpacked = resolve("weights.tar")
    assert not (unpacked / "adapter_config.json").exists()
    assert json.loads((unpacked / "songloom.json").read_text())["kind"] == "full"
    monkeypatch.chdir(unpacked)
    assert seconds_of_card((unpacked / "README.md").read_text()) == 8.0


@pytest.mark.slow
def test_the_card_of_an_adapter_whose_base_is_here_says_how_to_make_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it tells people to type works: a base that only this machine has is on no hub."""
    from songloom.checkpoints.export import merge

    train("first", str(tiny_model(tmp_path / "base")), LoraConfig(rank=2))
    folder = train("my second", "first", LoraConfig(rank=2), seed=2)
    card = (folder / "README.md").read_text()
    command = re.search(r"songloom merge \. (\S+)\n", card)
    assert command
    monkeypatch.chdir(folder)
    merge(Path(), command[1])
    assert seconds_of_card(card) == 8.0


@pytest.mark.slow
def test_joined_adapters_sound_by_the_nearest_decoder(tmp_path: Path) -> None:
    first = train("first", "nano", LoraConfig(rank=2), seed=1)
    codec = load_components("nano").codec
    decoder = codec.encodec.decoder
    weights = plain_weights(decoder, tuned_names(decoder)[:1])
    louder = {name: 1.5 * weight for name, weight in weights.items()}
    write_codec_decoder(first, louder, codec.fingerprint())
    folder = train("second", "first", LoraConfig(rank=2), seed=2)
    here = load("second").generate(PIECE)
    pack_trained(folder, tmp_path / "weights.tar")
    shutil.rmtree(home())
    there = load("weights.tar").generate(PIECE)
    assert torch.equal(there.tokens, here.tokens)
    torch.testing.assert_close(there.audio, here.audio, atol=1e-4, rtol=0)
    assert not torch.allclose(
        codec.decode(here.tokens)[:, : here.audio.shape[1]], here.audio, atol=1e-3
    )


def test_an_adapter_of_a_published_model_is_packed_as_it_is(tmp_path: Path) -> None:
    folder = train("first", "nano", LoraConfig(rank=2))
    pack_trained(folder, tmp_path / "weights.tar")
    unpacked = resolve("weights.tar")
    assert {p.name: p.read_bytes() for p in unpacked.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }


def test_what_was_not_trained_on_is_not_packed(tmp_path: Path) -> None:
    base = str(tiny_model(tmp_path / "base"))
    train("first", base, LoraConfig(rank=2), seed=1)
    folder = train("second", "first", LoraConfig(rank=2), seed=2)
    train("first", base, LoraConfig(rank=2), seed=5)
    with pytest.raises(BaseChangedError):
        pack_trained(folder, tmp_path / "weights.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "home"]
