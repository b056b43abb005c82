"""Adapters with decoders of their own: attached together, merged, exported and packed."""

from pathlib import Path

import pytest
import torch

import songloom
from songloom import GenerationRequest
from songloom.checkpoints.packed import pack
from songloom.errors import ModelError
from tests.tiny import tiny_model
from tests.tuned_decoders import tuned_adapter


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def folders(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("adapters")
    seeds = {"one": 1, "two": 2, "plain": None}
    return {name: tuned_adapter(parent / name, base, seed) for name, seed in seeds.items()}


def request() -> GenerationRequest:
    return GenerationRequest(prompt="slow jazz", duration=0.3, seed=3)


def test_each_row_of_a_batch_sounds_by_its_own_decoder(
    base: Path, folders: dict[str, Path]
) -> None:
    model = songloom.load(base, dtype="float32")
    before = model.generate(request())
    for folder in folders.values():
        model.add_adapter(folder)
    wanted = ["one", None, "two", "plain", "one"]
    one, none, two, plain, again = model.generate([request() for _ in wanted], adapters=wanted)
    assert all(torch.equal(t.tokens, before.tokens) for t in (one, none, two, plain, again))
    assert torch.equal(none.audio, before.audio)
    assert torch.equal(plain.audio, before.audio)
    assert torch.equal(one.audio, again.audio)
    assert not torch.allclose(one.audio, before.audio, atol=1e-3)
    assert not torch.allclose(one.audio, two.audio, atol=1e-3)
    streamed = torch.cat(list(model.stream(request(), adapter="two")), dim=1)
    torch.testing.assert_close(streamed, two.audio, atol=1e-4, rtol=0)
    piece = model.piece(request(), "one")
    batch = model.open_batch(1)
    batch.add(piece)
    while not batch.empty:
        batch.advance()
    torch.testing.assert_close(model.track(piece).audio, one.audio, atol=1e-5, rtol=0)
    model.remove_adapter("one")
    assert model.add_adapter(folders["two"], "one") == "one"
    torch.testing.assert_close(model.generate(request(), adapters="one").audio, two.audio)


def test_loaded_exported_or_packed_it_sounds_the_same(
    base: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = songloom.load(base, dtype="float32")
    model.add_adapter(folders["one"])
    expected = model.generate(request(), adapters="one").audio
    songloom.merge(folders["one"], tmp_path / "merged")
    songloom.export(folders["one"], tmp_path / "reference", "reference")
    pack(folders["one"], tmp_path / "weights.tar")
    places = [folders["one"], tmp_path / "merged", tmp_path / "weights.tar"]
    for place in places:
        audio = songloom.load(place, dtype="float32").generate(request()).audio
        torch.testing.assert_close(audio, expected, atol=1e-4, rtol=0)
    reference = songloom.load(tmp_path / "reference", dtype="float32", base=base)
    torch.testing.assert_close(reference.generate(request()).audio, expected, atol=1e-4, rtol=0)


def test_a_base_with_another_codec(base: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    twin = tiny_model(tmp_path / "twin", seed=1)
    lonely = tuned_adapter(tmp_path / "lonely", base, 1)
    config = lonely / "adapter_config.json"
    config.write_text(config.read_text().replace(str(base), "/gone/elsewhere"))
    model = songloom.load(twin)
    with pytest.raises(ModelError, match="decoder for another codec"):
        model.add_adapter(lonely)
    assert model.adapters == ()
    with pytest.raises(ModelError, match="decoder for another codec"):
        songloom.load(lonely, base=twin)
