"""Diffusion weights: where they are found, both layouts, and broken ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from songloom.checkpoints import diffusion_files
from songloom.checkpoints.catalogue import DIFFUSION_FILE, DIFFUSION_REPO
from songloom.checkpoints.diffusion_files import FOLDER, read_diffusion, write_diffusion
from songloom.checkpoints.export import export
from songloom.checkpoints.load import load_components
from songloom.checkpoints.reference_diffusion import read_published
from songloom.errors import ModelError, RequestError
from songloom.models.diffusion import MultiBandDiffusion
from songloom.models.diffusion_schedule import PowerSchedule
from tests.golden_values import golden_folder
from tests.published_diffusion import published_content, write_published
from tests.tiny import tiny_diffusion, tiny_model

CPU = torch.device("cpu")


def same(one: MultiBandDiffusion, other: MultiBandDiffusion) -> None:
    assert one.sample_rate == other.sample_rate
    for ours, theirs in zip(one.each_band(), other.each_band(), strict=True):
        assert ours.unet.config == theirs.unet.config
        assert ours.schedule == theirs.schedule
        assert (ours.processor is None) == (theirs.processor is None)
        if ours.processor is not None and theirs.processor is not None:
            assert ours.processor.config == theirs.processor.config
    state = other.state_dict()
    assert one.state_dict().keys() == state.keys()
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, state[name], atol=1e-6, rtol=1e-5)


@pytest.fixture
def decoder() -> MultiBandDiffusion:
    decoder = tiny_diffusion()
    next(decoder.each_band()).schedule = PowerSchedule(beta_exp=3.5, clip=4.0, noise_scale=0.9)
    return decoder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model")


def test_our_layout_there_and_back(decoder: MultiBandDiffusion, tmp_path: Path) -> None:
    write_diffusion(decoder, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "config.json",
        "model.safetensors",
    }
    same(read_diffusion(tmp_path / "out", CPU), decoder)


def test_the_published_layout(decoder: MultiBandDiffusion, tmp_path: Path) -> None:
    same(read_diffusion(write_published(decoder, tmp_path / "a.th"), CPU), decoder)


def test_a_published_file_converts(tmp_path: Path) -> None:
    published = read_published(golden_folder() / "codec" / "mbd_tiny.th", CPU)
    write_diffusion(published, tmp_path / "out")
    same(read_diffusion(tmp_path / "out", CPU), published)


def test_found_in_the_models_folder(model: Path, decoder: MultiBandDiffusion) -> None:
    assert load_components(model).diffusion is None
    write_published(decoder, model / DIFFUSION_FILE)
    same(load_components(model).diffusion_decoder(), decoder)
    # Our own layout wins, being what people convert to.
    other = tiny_diffusion(seed=1)
    write_diffusion(other, model / FOLDER)
    components = load_components(model)
    same(components.diffusion_decoder(), other)
    assert components.diffusion_decoder() is components.diffusion_decoder()


def test_found_beside_a_reference_checkpoint(
    model: Path, decoder: MultiBandDiffusion, tmp_path: Path
) -> None:
    folder = export(model, tmp_path / "reference", "reference")
    write_published(decoder, folder / DIFFUSION_FILE)
    same(load_components(folder).diffusion_decoder(), decoder)
    same(load_components(folder / "state_dict.bin").diffusion_decoder(), decoder)


def test_a_model_without_says_what_to_do(model: Path) -> None:
    with pytest.raises(RequestError) as caught:
        load_components(model).diffusion_decoder()
    for words in ("multi_band_diffusion is on", "leave it off", "small", str(model / "diffusion")):
        assert words in str(caught.value)


def test_fetched_for_musicgens_codec(
    model: Path, decoder: MultiBandDiffusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_published(decoder, tmp_path / "fetched.th")
    asked: list[tuple[str, str]] = []

    def fetch(repo: str, name: str, *rest: Any) -> Path:
        asked.append((repo, name))
        return file

    monkeypatch.setattr(diffusion_files, "download_file", fetch)
    shape = {"hidden_size": 16, "codebook_size": 64, "upsampling_ratios": (8, 5, 4, 4)}
    monkeypatch.setattr(diffusion_files, "_MUSICGEN_CODEC", shape)
    components = load_components(model)
    assert asked == []  # not before it is wanted
    same(components.diffusion_decoder(), decoder)
    assert asked == [(DIFFUSION_REPO, DIFFUSION_FILE)]
    # It isn't this model's own: an export of the model takes it along only when asked to.
    assert not (export(model, tmp_path / "without") / FOLDER).exists()
    with_it = export(model, tmp_path / "with", diffusion=True)
    same(read_diffusion(with_it / FOLDER, CPU), decoder)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["transformers", "reference"])
def test_a_models_own_comes_along_in_an_export(
    layout: Any, model: Path, decoder: MultiBandDiffusion, tmp_path: Path
) -> None:
    write_published(decoder, model / DIFFUSION_FILE)
    folder = export(model, tmp_path / "out", layout)
    assert not (folder / DIFFUSION_FILE).exists()
    same(load_components(folder).diffusion_decoder(), decoder)


def test_an_export_with_diffusion_needs_some(model: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no diffusion weights"):
        export(model, tmp_path / "out", diffusion=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (tiny_diffusion(condition_size=5), "latents of 5, but the model's has 32000 Hz and 16"),
        (tiny_diffusion(sample_rate=24_000), "a codec of 24000 Hz"),
    ],
)
def test_those_of_another_codec_are_refused(
    model: Path, other: MultiBandDiffusion, words: str
) -> None:
    write_diffusion(other, model / FOLDER)
    with pytest.raises(ModelError, match=words):
        load_components(model).diffusion_decoder()


Change = Callable[[dict[Any, Any]], object]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("n_bands"), "n_bands = None"),
        (lambda c: c.update(n_bands=10**9), "n_bands = 1000000000"),
        (lambda c: c.update(n_bands=3), "lacks a part of band 2"),
        (lambda c: c[0].pop("model_state"), "lacks a part of band 0"),
        (lambda c: c.update(sample_rate="fast"), "sample_rate = 'fast'"),
        (lambda c: c[0]["cfg"]["schedule"].update(repartition="linear"), "'linear'"),
        (lambda c: c[0]["cfg"]["schedule"].update(beta_exp=0), "beta_exp = 0"),
        (lambda c: c[0]["cfg"]["schedule"].update(num_steps=10), "embedding.*shape"),
        (lambda c: c[0]["cfg"]["diffusion_unet"].update(bilstm=True), "bilstm = True"),
        (lambda c: c[0]["cfg"]["diffusion_unet"].update(codec_dim=None), "codec_dim = None"),
        (lambda c: c[0]["cfg"]["diffusion_unet"].update(hidden=12), "shape"),
        (lambda c: c[0]["model_state"].pop("conv_codec.bias"), "lacks the weight"),
        (lambda c: c[0]["model_state"].update(more=torch.ones(1)), "'more'"),
        (lambda c: c[1]["cfg"]["processor"].update(n_bands=5), "shape"),
        (lambda c: c[1]["cfg"]["processor"].update(power_std=[1.0, 2.0]), "power_std"),
        (lambda c: c[1]["processor_state"].pop("sum_x"), "lacks the weight 'sum_x'"),
        (lambda c: c[1]["processor_state"]["counts"].zero_(), "counts = 0"),
        (
            lambda c: c[1]["processor_state"]["split_bands.lowpass.filters"].neg_(),
            "other frequencies",
        ),
    ],
)
def test_broken_published_files_are_refused(
    change: Change, words: str, decoder: MultiBandDiffusion, tmp_path: Path
) -> None:
    content = published_content(decoder)
    change(content)
    torch.save(content, tmp_path / "broken.th")
    with pytest.raises(ModelError, match=words) as caught:
        read_published(tmp_path / "broken.th", CPU)
    assert str(tmp_path / "broken.th") in str(caught.value)


def test_a_published_file_runs_nothing(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (tmp_path / "marker",)

    torch.save({"sample_rate": 32_000, "n_bands": 1, 0: {"cfg": Bomb()}}, tmp_path / "bomb.th")
    with pytest.raises(ModelError, match="could run code"):
        read_published(tmp_path / "bomb.th", CPU)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(model_type="musicgen"), "model_type = 'musicgen'"),
        (lambda c: c.update(sample_rate=True), "sample_rate = True"),
        (lambda c: c.update(bands=[]), r"bands = \[\]"),
        (lambda c: c.update(bands=[7]), "an object for each band"),
        (lambda c: c["bands"][0].update(unet=None), "unet = None"),
        (lambda c: c["bands"][0]["unet"].update(hidden=-1), "hidden is -1"),
        (lambda c: c["bands"][0]["unet"].update(hidden=12), "shape"),
        (lambda c: c["bands"].pop(), "no place for"),
        (lambda c: c["bands"][1].update(processor=None), "no place for"),
    ],
)
def test_broken_folders_are_refused(
    change: Change, words: str, decoder: MultiBandDiffusion, tmp_path: Path
) -> None:
    folder = tmp_path / "diffusion"
    write_diffusion(decoder, folder)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=words):
        read_diffusion(folder, CPU)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_incomplete_folders_are_refused(
    file: str, decoder: MultiBandDiffusion, tmp_path: Path
) -> None:
    folder = tmp_path / "diffusion"
    write_diffusion(decoder, folder)
    whole = shutil.copytree(folder, tmp_path / "cut")
    (folder / file).unlink()
    with pytest.raises(ModelError, match=file):
        read_diffusion(folder, CPU)
    (whole / file).write_bytes((whole / file).read_bytes()[:100])
    with pytest.raises(ModelError, match=file):
        read_diffusion(whole, CPU)


def test_half_precision_files_are_read_as_float32(
    decoder: MultiBandDiffusion, tmp_path: Path
) -> None:
    folder = tmp_path / "diffusion"
    write_diffusion(decoder, folder)
    weights = folder / "model.safetensors"
    save_file({n: t.half() for n, t in load_file(weights).items()}, weights)
    read = read_diffusion(folder, CPU)
    assert {tensor.dtype for tensor in read.state_dict().values()} == {torch.float32}
