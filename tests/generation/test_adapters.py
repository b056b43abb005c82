"""Several adapters over one model: each as if it were alone, and merged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import songloom
from songloom import GenerationRequest
from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError, RequestError
from songloom.models.adapter_bank import AdapterBank
from songloom.models.lm import LM, LMConfig
from songloom.models.lora import (
    TARGETS,
    LoraConfig,
    add_lora,
    lora_state,
    merge_state,
)
from tests.generation.sequences import MELODY, TEXT, decode, sequences_for, tiny
from tests.models.adapters import remove_adapter
from tests.tiny import tiny_model

ADAPTERS = {
    "soft": LoraConfig(rank=2, alpha=3, targets=TARGETS),
    "loud": LoraConfig(rank=5, alpha=5, targets=("attention", "ffn")),
    "heads": LoraConfig(rank=1, alpha=2, targets=("heads", "conditions")),
}
CONFIGS = pytest.mark.parametrize("config", [TEXT, MELODY], ids=["text", "melody"])


def state_of(lm: LM, name: str) -> dict[str, torch.Tensor]:
    """An adapter's weights, strong enough to change what is drawn."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    add_lora(lm, ADAPTERS[name], generator)
    state = {
        key: torch.randn(t.shape, generator=generator) * 0.3 if key.endswith("up") else t.clone()
        for key, t in lora_state(lm).items()
    }
    remove_adapter(lm)
    return state


def banked(config: LMConfig) -> tuple[LM, AdapterBank]:
    lm = tiny(config)
    states = {name: state_of(lm, name) for name in ADAPTERS}
    bank = AdapterBank(lm)
    for name, state in states.items():
        bank.add(name, state, ADAPTERS[name].scale)
    return lm, bank


def merged(config: LMConfig, name: str | None) -> LM:
    lm = tiny(config)
    if name is not None:
        merge_state(lm, state_of(lm, name), ADAPTERS[name].scale)
    return lm


@pytest.mark.slow
@CONFIGS
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_in_any_mixture_each_is_as_if_alone_and_merged(
    config: LMConfig, data: st.DataObject
) -> None:
    lm, bank = banked(config)
    names = st.sampled_from([None, *ADAPTERS])
    sequences = [
        replace(sequence, adapter=data.draw(names))
        for sequence in data.draw(st.lists(sequences_for(config), min_size=2, max_size=5))
    ]
    count = len(sequences)
    at = data.draw(st.lists(st.integers(0, 12), min_size=count, max_size=count))
    together = decode(lm, sequences, at, bank)
    for sequence, codes in zip(sequences, together, strict=True):
        assert torch.equal(codes, decode(lm, [sequence], adapters=bank)[0])
        alone = decode(merged(config, sequence.adapter), [replace(sequence, adapter=None)])[0]
        assert torch.equal(codes, alone)


@CONFIGS
@torch.inference_mode()
def test_the_logits_of_each_row_are_those_of_its_merged_model(config: LMConfig) -> None:
    lm, bank = banked(config)
    tokens = torch.randint(0, 24, (4, config.num_codebooks, 6))
    rows = ["loud", None, "soft", "heads"]
    bank.use(rows)
    logits = lm(tokens)
    for i, name in enumerate(rows):
        expected = merged(config, name)(tokens[i : i + 1])
        torch.testing.assert_close(logits[i : i + 1], expected, atol=1e-4, rtol=0)
        assert name is None or (logits[i : i + 1] - tiny(config)(tokens[i : i + 1])).abs().max() > 1


@torch.inference_mode()
def test_adapters_come_and_go_without_a_trace() -> None:
    tokens = torch.randint(0, 24, (2, 4, 6))
    lm = tiny(TEXT)
    state, names = state_of(lm, "soft"), list(lm.state_dict())
    plain = lm(tokens)
    bank = AdapterBank(lm)
    assert list(lm.state_dict()) == names
    bank.add("soft", state, 1.0)
    bank.add("twice", state, 2.0)
    assert torch.equal(lm(tokens), plain)
    bank.use(["soft", "twice"])
    both = lm(tokens)
    bank.use([None])
    assert torch.equal(lm(tokens), plain)
    bank.remove("twice")
    bank.add("twice", state, 1.0)
    bank.use(["soft", "twice"])
    assert torch.equal(lm(tokens)[0], both[0])
    assert not torch.equal(lm(tokens)[1], both[1])
    for name in bank.names:
        bank.remove(name)
    assert list(lm.state_dict()) == names
    assert torch.equal(lm(tokens), plain)
    with pytest.raises(ModelError, match=r"no adapter 'soft' is attached.*: none"):
        bank.use(["soft"])


def test_one_rows_overflow_is_its_own() -> None:
    lm = tiny(TEXT)
    state = state_of(lm, "soft")
    bank = AdapterBank(lm)
    bank.add("soft", {n: t * 1e38 if n.endswith("down") else t for n, t in state.items()}, 1.0)
    tokens = torch.randint(0, 24, (2, 4, 6))
    bank.use([None, "soft"])
    logits = lm(tokens)
    assert not logits[1].isfinite().all()
    assert torch.equal(logits[0], tiny(TEXT)(tokens)[0])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny", melody=True)


@pytest.fixture(scope="module")
def folders(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters of a tiny model on disk."""
    lm = load_components(base).lm
    parent = tmp_path_factory.mktemp("adapters")
    for name, config in ADAPTERS.items():
        write_adapter(parent / name, state_of(lm, name), config, lm.config, str(base))
    return {name: parent / name for name in ADAPTERS}


def request(**options: object) -> GenerationRequest:
    return GenerationRequest.from_mapping(
        {"prompt": "slow jazz", "duration": 0.3, "seed": 3, **options}
    )


def test_a_model_decodes_with_each(base: Path, folders: dict[str, Path]) -> None:
    model = songloom.load(base, dtype="float32")
    before = model.generate(request())
    assert [model.add_adapter(folder) for folder in folders.values()] == list(folders)
    assert model.add_adapter(folders["soft"], "again") == "again"
    assert model.adapters == (*folders, "again")
    wanted = ["soft", None, "loud", "heads", "again"]
    tracks = model.generate([request() for _ in wanted], adapters=wanted)
    assert torch.equal(tracks[1].tokens, before.tokens)
    assert torch.equal(tracks[0].tokens, tracks[4].tokens)
    assert [track.model for track in tracks] == ["soft", str(base), "loud", "heads", "again"]
    for track, name in zip(tracks, wanted, strict=True):
        if name in folders:
            alone = songloom.load(folders[name], dtype="float32").generate(request())
            assert torch.equal(track.tokens, alone.tokens)
            assert not torch.equal(track.tokens, before.tokens)
            assert torch.equal(model.generate(request(), adapters=name).tokens, track.tokens)
    streamed = torch.cat(list(model.stream(request(), adapter="loud")), dim=1)
    torch.testing.assert_close(streamed, tracks[2].audio, atol=1e-4, rtol=0)
    model.remove_adapter("loud")
    with pytest.raises(RequestError, match=r"adapter is 'loud', but attached .* 'soft', 'heads'"):
        model.stream(request(), adapter="loud")


def test_streams_that_take_turns_keep_their_adapters(base: Path, folders: dict[str, Path]) -> None:
    model = songloom.load(base, dtype="float32")
    expected = model.generate(request(duration=2.5)).audio
    streams = [model.stream(request(duration=2.5))]
    first = next(streams[0])
    model.add_adapter(folders["loud"])
    other = model.stream(request(duration=2.5), adapter="loud")
    chunks = [first]
    others = []
    for chunk, another in zip(streams[0], other, strict=False):
        chunks.append(chunk)
        others.append(another)
    joined = torch.cat([*chunks, *streams[0]], dim=1)
    torch.testing.assert_close(joined, expected[:, : joined.shape[1]], atol=1e-4, rtol=0)
    alone = model.generate(request(duration=2.5), adapters="loud").audio
    other_joined = torch.cat(others, dim=1)
    torch.testing.assert_close(other_joined, alone[:, : other_joined.shape[1]], atol=1e-4, rtol=0)


def test_over_packed_weights(base: Path, folders: dict[str, Path]) -> None:
    model = songloom.load(base)
    plain = model.generate(request(temperature=0.0))
    model.add_adapter(folders["loud"])
    other = model.generate(request(temperature=0.0), adapters="loud")
    assert not torch.equal(plain.tokens, other.tokens)
    assert torch.equal(model.generate(request(temperature=0.0)).tokens, plain.tokens)


def test_errors(base: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    model = songloom.load(base)
    with pytest.raises(RequestError, match=r"adapter is 'soft', but attached to .* are: none"):
        model.generate(request(), adapters="soft")
    with pytest.raises(ModelError, match=r"is a whole model .*, not an adapter"):
        model.add_adapter(base)
    model.add_adapter(folders["soft"])
    with pytest.raises(ModelError, match="'soft' is attached already"):
        model.add_adapter(folders["soft"])
    with pytest.raises(RequestError, match="names 1 for 2 requests"):
        model.generate([request(), request()], adapters=["soft"])
    with pytest.raises(ModelError, match="no adapter 'loud' is attached"):
        model.remove_adapter("loud")


def test_an_adapter_of_another_model(base: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    twin = tiny_model(tmp_path / "twin", melody=True, seed=1)
    with pytest.raises(ModelError, match=rf"an adapter of '{base}'.*; load '{base}' for it"):
        songloom.load(twin).add_adapter(folders["soft"])
    with pytest.raises(ModelError, match="holds an adapter of"):
        songloom.load(folders["loud"]).add_adapter(folders["soft"])
    lm = load_components(base).lm
    config = ADAPTERS["soft"]
    write_adapter(tmp_path / "moved", state_of(lm, "soft"), config, lm.config, "/gone/elsewhere")
    assert songloom.load(twin).add_adapter(tmp_path / "moved") == "moved"
    other = tiny_model(tmp_path / "other", melody=True, hidden_size=64)
    with pytest.raises(ModelError, match="made for another model"):
        songloom.load(other).add_adapter(tmp_path / "moved")
