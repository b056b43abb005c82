"""What we read from a folder computes what transformers computes from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from songloom.checkpoints.components import Components
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError
from tests.parity import lm_and_transformers_logits
from tests.tiny import CARD, tiny_model, tiny_transformers

KINDS = [(melody, channels) for melody in (False, True) for channels in (1, 2)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("written") / "tiny")


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "tiny"))


@pytest.mark.parametrize(("melody", "channels"), KINDS)
def test_logits_equal_transformers(tmp_path: Path, melody: bool, channels: int) -> None:
    folder = tiny_model(tmp_path, melody=melody, channels=channels, seed=3)
    reference = tiny_transformers(melody=melody, channels=channels, seed=3)
    components = load_components(folder)
    ours, theirs = lm_and_transformers_logits(components, reference, melody)
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert components.info.channels == channels
    assert components.info.melody == melody
    assert components.lm.config.delays == tuple(k // channels for k in range(4 * channels))


def test_text_of_the_language_models_width_needs_no_projection(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, hidden_size=32, text_size=32)
    reference = tiny_transformers(hidden_size=32, text_size=32)
    assert not hasattr(reference, "enc_to_dec_proj")
    ours, theirs = lm_and_transformers_logits(load_components(folder), reference, False)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_codec_and_text_equal_transformers(folder: Path) -> None:
    reference = tiny_transformers()
    components = load_components(folder)
    codes = torch.randint(0, CARD, (4, 12), generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([components.text.tokenizer.encode("warm felt piano").ids])
    assert ids.tolist() == [[3, 4, 5, 1]]
    with torch.inference_mode():
        decoded = reference.audio_encoder.decode(codes[None, None], [None]).audio_values[0]
        states = reference.text_encoder(input_ids=ids).last_hidden_state
    torch.testing.assert_close(components.codec.decode(codes), decoded, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(components.text("warm felt piano"), states, atol=1e-5, rtol=1e-4)


def test_encoder_equals_transformers(folder: Path) -> None:
    reference = tiny_transformers()
    samples = torch.randn(1, 6400, generator=torch.Generator().manual_seed(0)) * 0.2
    with torch.inference_mode():
        codes = reference.audio_encoder.encode(samples[None]).audio_codes[0, 0]
    assert codes.unique().numel() > 4
    assert torch.equal(load_components(folder).codec.encode(samples), codes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_and_modules(folder: Path, dtype: torch.dtype) -> None:
    path = folder / "model.safetensors"
    half = {name: tensor.to(dtype) for name, tensor in load_file(path).items()}
    save_file(half, path)
    components = load_components(folder)
    assert {p.dtype for p in components.lm.parameters()} == {torch.float32}
    name = "decoder.model.decoder.layers.0.fc1.weight"
    assert torch.equal(components.lm.blocks[0].ffn_in.weight, half[name].float())
    components = load_components(folder, dtype=dtype)
    assert {p.dtype for p in components.lm.parameters()} == {dtype}
    assert {p.dtype for p in components.codec.encodec.parameters()} == {torch.float32}
    assert {p.dtype for p in components.text.encoder.parameters()} == {torch.float32}


def test_shards_pickles_and_old_names(folder: Path) -> None:
    expected = load_components(folder).lm.state_dict()
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in weights.items()
    }
    old["text_encoder.encoder.embed_tokens.weight"] = old.pop("text_encoder.shared.weight")
    old["decoder.model.decoder.embed_positions.weights"] = torch.zeros(2048, 32)
    names = sorted(old)
    files = {"model-00001-of-00002.safetensors": names[::2]}
    files["model-00002-of-00002.safetensors"] = names[1::2]
    for file, members in files.items():
        save_file({name: old[name] for name in members}, folder / file)
    index = {"weight_map": {name: file for file, members in files.items() for name in members}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    check_same(load_components(folder), expected)

    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match=r"index\.json names 'model-00002-of-00002"):
        load_components(folder)
    (folder / "model.safetensors.index.json").unlink()
    torch.save(old, folder / "pytorch_model.bin")
    check_same(load_components(folder), expected)


def check_same(components: Components, expected: dict[str, torch.Tensor]) -> None:
    state = components.lm.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_the_window_comes_from_the_generation_config(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, window_seconds=15)
    assert load_components(folder).info.window_seconds == 15
    (folder / "generation_config.json").unlink()
    assert load_components(folder).info.window_seconds == 30


def edit_config(folder: Path, section: str | None, **values: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    (config[section] if section else config).update(values)
    path.write_text(json.dumps(config))


def test_configurations_of_old_versions(folder: Path) -> None:
    """Official models were written when every part also held settings of generation."""
    legacy = {
        "_name_or_path": "",
        "bad_words_ids": None,
        "do_sample": False,
        "max_length": 20,
        "num_beams": 1,
        "pruned_heads": {},
        "task_specific_params": {"summarization": {"max_length": 200}},
        "tf_legacy_loss": False,
        "torch_dtype": "float32",
        "transformers_version": "4.31.0.dev0",
    }
    expected = load_components(folder)
    for section in ("decoder", "audio_encoder", "text_encoder"):
        edit_config(folder, section, **legacy)
    components = load_components(folder)
    assert components.lm.config == expected.lm.config
    assert components.info == expected.info


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"model\.safetensors is not a whole safetensors file"):
        load_components(folder)


def test_truncated_pickle(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match=r"pytorch_model\.bin cannot be read as weights"):
        load_components(folder)


def test_missing_weight(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["decoder.model.decoder.layers.1.fc2.weight"]
    save_file(weights, path)
    with pytest.raises(ModelError, match=r"lacks the weight '.*layers\.1\.fc2.*\(32, 64\)"):
        load_components(folder)


@pytest.mark.parametrize("value", [1, 3])
def test_more_or_fewer_layers_than_the_configuration_says(folder: Path, value: int) -> None:
    edit_config(folder, "decoder", num_hidden_layers=value)
    message = "has no place for" if value == 1 else "lacks the weight"
    with pytest.raises(ModelError, match=message):
        load_components(folder)


def test_wrong_shape(folder: Path) -> None:
    edit_config(folder, "decoder", ffn_dim=128)
    with pytest.raises(ModelError, match=r"fc1.* has shape \(64, 32\).* calls for \(128, 32\)"):
        load_components(folder)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (None, {"model_type": "bert"}, "type 'bert'"),
        (None, {"decoder": None}, "no section 'decoder'"),
        ("decoder", {"activation_function": "relu"}, "activation_function is 'relu'"),
        ("decoder", {"scale_embedding": True}, "scale_embedding is True"),
        ("decoder", {"num_attention_heads": 5}, "multiple of num_attention_heads"),
        ("decoder", {"num_codebooks": "four"}, "not a valid MusicGen configuration"),
        ("text_encoder", {"model_type": "umt5"}, "text encoder is of type 'umt5'"),
        ("audio_encoder", {"model_type": "dac"}, "codec is of type 'dac'"),
    ],
)
def test_unsupported_configurations(
    folder: Path, section: str | None, values: dict[str, object], message: str
) -> None:
    edit_config(folder, section, **values)
    with pytest.raises(ModelError, match=message):
        load_components(folder)


def test_a_codec_of_another_model(folder: Path) -> None:
    edit_config(folder, "audio_encoder", target_bandwidths=[0.6])
    with pytest.raises(ModelError, match="has no place for"):
        load_components(folder)


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_broken_config(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"config\.json"):
        load_components(folder)


def test_missing_and_broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="is not a tokenizer"):
        load_components(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="is missing"):
        load_components(folder)


def test_a_folder_without_a_model(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        load_components(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no model"):
        load_components(folder)


def test_the_folder_may_go_once_it_is_read(folder: Path) -> None:
    components = load_components(folder)
    before = components.lm.heads.weight.clone()
    path = folder / "model.safetensors"
    size = path.stat().st_size
    path.write_bytes(bytes(size))  # in place: a weight still mapped would become zero
    assert torch.equal(components.lm.heads.weight, before)
    shutil.rmtree(folder)
