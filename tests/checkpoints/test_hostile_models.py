"""Damaged and hostile model files: an error in one line, before anything large is allocated."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from songloom.checkpoints.codec_files import count_elements
from songloom.checkpoints.export import export
from songloom.checkpoints.inert_pickle import Archive, TensorPlace
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError, RequestError
from songloom.generation.sampling import SamplingParams, sample
from songloom.request import GenerationRequest
from tests.tiny import tiny_model


def refuse(path: Path) -> str:
    """The one line that loading a model ends with."""
    with pytest.raises(ModelError) as caught:
        load_components(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


CODEC, DECODER, TEXT, TOP = "audio_encoder", "decoder", "text_encoder", ""
SHAPES: list[tuple[str, str, Any]] = [
    (CODEC, "target_bandwidths", [1099511627776]),
    (CODEC, "target_bandwidths", [1e308]),
    (CODEC, "target_bandwidths", [1e6]),
    (CODEC, "target_bandwidths", [0.0001]),
    (CODEC, "target_bandwidths", ["24"]),
    (CODEC, "target_bandwidths", []),
    (CODEC, "hidden_size", 2**31),
    (CODEC, "hidden_size", 2**20),
    (CODEC, "num_filters", 2**20),
    (CODEC, "num_filters", 2**12),
    (CODEC, "upsampling_ratios", [0, 5]),
    (CODEC, "upsampling_ratios", [1] * 1000),
    (CODEC, "upsampling_ratios", [2**20, 2**20]),
    (CODEC, "upsampling_ratios", [-8, 5, 4, 4]),
    (CODEC, "codebook_size", 1),
    (CODEC, "codebook_size", 2**20),
    (CODEC, "codebook_size", 2**40),
    (CODEC, "codebook_dim", 2**20),
    (CODEC, "num_lstm_layers", 10**6),
    (CODEC, "num_lstm_layers", 1000),
    (CODEC, "num_residual_layers", 2**20),
    (CODEC, "num_residual_layers", 1000),
    (CODEC, "compress", 2**19),
    (CODEC, "pad_mode", "sideways"),
    (CODEC, "kernel_size", 2**20),
    (CODEC, "kernel_size", "7"),
    (CODEC, "kernel_size", -7),
    (CODEC, "kernel_size", 7.5),
    (CODEC, "kernel_size", True),
    (CODEC, "sampling_rate", 2**31),
    (DECODER, "hidden_size", 2**31),
    (DECODER, "hidden_size", 2**19),
    (DECODER, "hidden_size", 2),
    (DECODER, "num_hidden_layers", 2**20),
    (DECODER, "num_hidden_layers", 1024),
    (DECODER, "num_codebooks", 2**20),
    (DECODER, "num_attention_heads", 2**20),
    (DECODER, "audio_channels", 3),
    (DECODER, "audio_channels", "2"),
    (DECODER, "vocab_size", 2**40),
    (DECODER, "ffn_dim", 2**20),
    (TEXT, "d_model", 2**31),
    (TEXT, "d_ff", 2**20),
    (TEXT, "num_layers", 2**20),
    (TEXT, "num_heads", 2**20),
    (TEXT, "relative_attention_num_buckets", 1),
    (TEXT, "relative_attention_max_distance", 1),
    (TEXT, "layer_norm_epsilon", -1.0),
    (TOP, "num_chroma", "twelve"),
    (TOP, "num_chroma", -1),
    (TOP, "num_chroma", 2**40),
    (TOP, "chroma_length", 2**30),
    (TOP, "chroma_length", 1e400),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("whole"), melody=True)


@pytest.mark.parametrize(
    ("section", "name", "value"), SHAPES, ids=[f"{s}-{n}-{i}" for i, (s, n, _) in enumerate(SHAPES)]
)
def test_shapes_are_compared_with_bounds_and_with_the_file(
    tmp_path: Path, section: str, name: str, value: Any
) -> None:
    folder = tiny_model(tmp_path / "model", melody=True)
    config = json.loads((folder / "config.json").read_text())
    (config[section] if section else config)[name] = value
    (folder / "config.json").write_text(json.dumps(config))
    refuse(folder)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"a": NaN}', '{"a": -Infinity}', "\ud800", "", "3"]
)
def test_json_that_is_none_or_far_too_deep(tmp_path: Path, text: str) -> None:
    folder = tiny_model(tmp_path / "model")
    (folder / "config.json").write_bytes(text.encode(errors="surrogatepass"))
    refuse(folder)


def test_the_codec_is_counted_as_it_is_built(whole: Path) -> None:
    for model in (whole, "nano"):
        encodec = load_components(model).codec.encodec
        real = sum(tensor.numel() for tensor in encodec.state_dict().values())
        assert 0.9 * real < count_elements(encodec.config) <= real


def test_numbers_that_are_not_finite_are_found_when_a_model_is_loaded(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    file = folder / "model.safetensors"
    good = load_file(file)
    parts = ("decoder.model", "audio_encoder.decoder", "text_encoder.encoder")
    for part, bad in zip(parts, (math.nan, math.inf, -math.inf), strict=True):
        name = next(n for n in sorted(good) if n.startswith(part))
        state = {n: t.clone() for n, t in good.items()}
        state[name].view(-1)[-1] = bad
        save_file(state, file, metadata={"format": "pt"})
        message = refuse(folder)
        assert "not finite" in message
        assert name in message


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_predictions_that_are_not_finite_are_an_error_of_the_model(bad: float) -> None:
    logits = torch.zeros(2, 8)
    logits[1, 3] = bad
    with pytest.raises(ModelError, match="not finite"):
        sample(logits, SamplingParams(top_k=3), torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("name", ["temperature", "classifier_free_guidance"])
@pytest.mark.parametrize("value", [1e-320, 1e-30, 1001.0, 1e38, 1e308])
def test_sampling_values_have_bounds(name: str, value: float) -> None:
    with pytest.raises(RequestError, match=rf"^{name} is "):
        GenerationRequest(prompt="piano", **{name: value})  # type: ignore[arg-type]


def test_all_sampling_values_in_the_bounds_draw_a_token() -> None:
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0)) * 1000
    for temperature in (0.0, 1e-6, 1.0, 1000.0):
        for params in (SamplingParams(0, 0.9, temperature), SamplingParams(250, 0.0, temperature)):
            tokens = sample(logits, params, torch.tensor([0.0, 0.5, 1 - 1e-7]))
            assert ((tokens >= 0) & (tokens < 50)).all()
    coldest = sample(logits, SamplingParams(temperature=1e-6), torch.tensor([0.1, 0.5, 0.9]))
    assert torch.equal(coldest, logits.argmax(-1))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    folder = tmp_path_factory.mktemp("made") / "reference"
    export(whole, folder, "reference")
    return folder


def test_every_tensor_of_a_pickle_is_read_once(
    reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[tuple[Path, str]] = Counter()
    read = Archive.read

    def count(archive: Archive, place: TensorPlace) -> torch.Tensor:
        reads[archive.path, place.record] += 1
        return read(archive, place)

    monkeypatch.setattr(Archive, "read", count)
    load_components(reference)
    assert len(reads) > 50
    assert set(reads.values()) == {1}


def copy_reference(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.rglob("*"):
        if file.is_file():
            (target / file.relative_to(source)).parent.mkdir(exist_ok=True)
            (target / file.relative_to(source)).write_bytes(file.read_bytes())
    return target


@pytest.mark.parametrize("file", ["state_dict.bin", "compression_state_dict.bin"])
@pytest.mark.parametrize("seed", range(12))
def test_damage_anywhere_is_an_error_in_one_line(
    reference: Path, tmp_path: Path, file: str, seed: int
) -> None:
    path = copy_reference(reference, tmp_path / "model") / file
    draw = random.Random(f"{file} {seed}")
    data = bytearray(path.read_bytes())
    if seed % 3 == 0:
        del data[draw.randrange(len(data)) :]
    for _ in range(1 + seed):
        if data:
            data[draw.randrange(len(data))] = draw.randrange(256)
    path.write_bytes(data)
    try:
        load_components(path.parent)
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017 - what was damaged may also not matter


REFERENCE_SHAPES: list[tuple[str, str, Any]] = [
    ("state_dict.bin", "transformer_lm.dim", 2**31),
    ("state_dict.bin", "transformer_lm.dim", "32"),
    ("state_dict.bin", "transformer_lm.num_layers", 2**20),
    ("state_dict.bin", "transformer_lm.hidden_scale", 1e8),
    ("state_dict.bin", "transformer_lm.hidden_scale", math.nan),
    ("state_dict.bin", "transformer_lm.card", 2**60),
    ("state_dict.bin", "codebooks_pattern.delay.delays", [0, 1, 2, 10**9]),
    ("state_dict.bin", "dataset.segment_duration", 1e8),
    ("state_dict.bin", "conditioners.self_wav.chroma_stem.n_chroma", 0),
    ("compression_state_dict.bin", "rvq.n_q", 2**20),
    ("compression_state_dict.bin", "rvq.bins", 1),
    ("compression_state_dict.bin", "seanet.ratios", [0]),
    ("compression_state_dict.bin", "seanet.ratios", [2] * 100),
    ("compression_state_dict.bin", "seanet.n_filters", 2**20),
    ("compression_state_dict.bin", "seanet.pad_mode", [["x"] * 9] * 9),
    ("compression_state_dict.bin", "seanet.lstm", 1000),
]


@pytest.mark.parametrize(
    ("file", "key", "value"),
    REFERENCE_SHAPES,
    ids=[f"{key}-{i}" for i, (_, key, _) in enumerate(REFERENCE_SHAPES)],
)
def test_shapes_of_reference_checkpoints_have_bounds(
    reference: Path, tmp_path: Path, file: str, key: str, value: Any
) -> None:
    path = copy_reference(reference, tmp_path / "model") / file
    content = torch.load(path, weights_only=True)
    tree = yaml.safe_load(content["xp.cfg"])
    *parents, leaf = key.split(".")
    node = tree
    for part in parents:
        node = node[part]
    node[leaf] = value
    torch.save(content | {"xp.cfg": yaml.safe_dump(tree)}, path)
    refuse(path.parent)


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: 2020-99-99", "a: {", "- 1", "a: !!python/name:os.system"]
)
def test_configurations_that_are_no_yaml(reference: Path, tmp_path: Path, text: str) -> None:
    path = copy_reference(reference, tmp_path / "model") / "state_dict.bin"
    content = torch.load(path, weights_only=True)
    torch.save(content | {"xp.cfg": text}, path)
    refuse(path.parent)


def test_a_tensor_that_is_much_larger_than_the_file_is_not_allocated(tmp_path: Path) -> None:
    """One number, repeated by strides of zero."""
    folder = tiny_model(tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    width = 2**19
    config["decoder"]["ffn_dim"] = width
    (folder / "config.json").write_text(json.dumps(config))
    for name, tensor in state.items():
        if name.endswith(("fc1.weight", "fc2.weight")):
            rows, columns = (width, 32) if "fc1" in name else (32, width)
            state[name] = tensor[:1, :1].clone().expand(rows, columns)
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "numbers, but the file has" in refuse(folder)
