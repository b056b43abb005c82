"""Checkpoints of the reference library: the codec, what is missing, what is not supported."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from songloom.checkpoints import reference, reference_codec, reference_lm
from songloom.checkpoints.export import export
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError
from songloom.models.codec import Codec
from tests.golden_values import golden_folder
from tests.tiny import tiny_model

CODEC_FILE = "compression_state_dict.bin"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Whole checkpoints of two kinds; tests change copies of them."""
    folder = tmp_path_factory.mktemp("checkpoints")
    kinds = {"text_mono": (False, 1), "melody_stereo": (True, 2)}
    return {
        kind: export(
            tiny_model(folder / f"{kind}-source", melody=melody, channels=channels),
            folder / kind,
            "reference",
        )
        for kind, (melody, channels) in kinds.items()
    }


@pytest.fixture
def folder(exported: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported["text_mono"], tmp_path / "checkpoint"))


def test_facts(exported: dict[str, Path]) -> None:
    info = load_components(exported["text_mono"]).info
    assert (info.channels, info.melody, info.window_seconds) == (1, False, 2)
    assert (info.sample_rate, info.frame_rate) == (32_000, 50)
    assert info.path.name == "state_dict.bin"
    info = load_components(exported["melody_stereo"]).info
    assert (info.channels, info.melody) == (2, True)


def golden_codec(channels: int) -> tuple[Codec, dict[str, torch.Tensor]]:
    folder = golden_folder() / "codec"
    codec = reference.read_codec(folder / CODEC_FILE, channels, CPU, torch.float32)
    return codec, load_file(folder / "expected.safetensors")


def test_the_codec_computes_what_the_reference_computes() -> None:
    codec, expected = golden_codec(1)
    for audio, codes, decoded in zip(
        expected["audio"], expected["codes"], expected["decoded"], strict=True
    ):
        assert torch.equal(codec.encode(audio), codes)
        torch.testing.assert_close(codec.decode(codes), decoded, atol=1e-4, rtol=1e-4)


def test_the_stereo_codec_computes_what_the_reference_computes() -> None:
    codec, expected = golden_codec(2)
    codes, decoded = expected["stereo_codes"][0], expected["stereo_decoded"][0]
    assert torch.equal(codec.encode(expected["stereo_audio"][0]), codes)
    torch.testing.assert_close(codec.decode(codes), decoded, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["text_mono", "text_stereo", "melody_mono", "melody_stereo"])
def test_a_real_language_model_comes_out_as_it_went_in(kind: str) -> None:
    path = golden_folder() / kind / "state_dict.bin"
    theirs = torch.load(path, weights_only=True)
    lm, model = reference.read_lm(path, CPU, None)
    ours = reference_lm.lm_state(lm)
    assert ours.keys() == theirs["best_state"].keys()
    for name, tensor in theirs["best_state"].items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6)
    cfg = yaml.safe_load(theirs["xp.cfg"])
    assert reference_lm.config_tree(model, cfg["sample_rate"]) == cfg


def test_a_real_codec_comes_out_as_it_went_in() -> None:
    path = golden_folder() / "codec" / CODEC_FILE
    theirs = torch.load(path, weights_only=True)
    encodec = reference.read_codec(path, 1, CPU, None).encodec
    ours = reference_codec.codec_state(encodec)
    assert ours.keys() == theirs["best_state"].keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs["best_state"].items())
    assert reference_codec.config_tree(encodec.config) == yaml.safe_load(theirs["xp.cfg"])


def test_the_fine_tuners_file_with_a_base_model(tmp_path: Path) -> None:
    golden = golden_folder() / "text_mono"
    lm, _ = reference.read_lm(golden / "state_dict.bin", CPU, torch.float32)
    base = tiny_model(
        tmp_path / "base", text_size=lm.config.text_size, card=lm.config.codebook_size
    )
    tuned = tmp_path / "trained_model.tar"
    shutil.copy(golden / "replicate_weights.tar", tuned)
    components, of_base = load_components(tuned, base=base), load_components(base)
    pairs = zip(components.lm.parameters(), lm.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
    assert components.info.licence == "CC-BY-NC 4.0"
    assert torch.equal(components.text("warm piano"), of_base.text("warm piano"))
    codes = torch.zeros(4, 9, dtype=torch.long)
    assert torch.equal(components.codec.decode(codes), of_base.codec.decode(codes))


def test_the_fine_tuners_file_beside_a_codec(folder: Path) -> None:
    expected = load_components(folder)
    content = torch.load(folder / "state_dict.bin", weights_only=True)
    (folder / "state_dict.bin").unlink()
    cfg = yaml.safe_load(content["xp.cfg"])
    torch.save({"xp.cfg": cfg, "model": content["best_state"]}, folder / "trained_model.tar")
    components = load_components(folder)
    codes = torch.zeros(4, 9, dtype=torch.long)
    assert torch.equal(components.codec.decode(codes), expected.codec.decode(codes))
    assert components.lm.config == expected.lm.config


def test_a_text_encoder_of_another_width(folder: Path) -> None:
    shutil.rmtree(folder / "text_encoder")
    tiny_model(folder / "text_encoder", text_size=24)
    components = load_components(folder)
    with pytest.raises(ModelError, match="states of width 24, but the language model expects 16"):
        components.text("slow jazz")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("no_network")
def test_companions_that_cannot_be_fetched(folder: Path) -> None:
    shutil.rmtree(folder / "text_encoder")
    components = load_components(folder)  # the text encoder is not needed yet
    with pytest.raises(ModelError, match="google-t5/t5-base"):
        components.text("slow jazz")
    (folder / CODEC_FILE).unlink()
    with pytest.raises(ModelError, match="facebook/encodec_32khz"):
        load_components(folder)


@pytest.mark.usefixtures("no_network")
def test_a_codec_file_that_only_names_a_codec(folder: Path) -> None:
    torch.save({"pretrained": "someone/codec", "exported": True}, folder / CODEC_FILE)
    with pytest.raises(ModelError, match="someone/codec"):
        load_components(folder)


def change(path: Path, key: str, value: Any) -> None:
    content = torch.load(path, weights_only=True)
    cfg = yaml.safe_load(content["xp.cfg"])
    *parents, leaf = key.split(".")
    node = cfg
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    torch.save({**content, "xp.cfg": yaml.safe_dump(cfg)}, path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lm_model", "transformer_lm_magnet"),
        ("codebooks_pattern.modeling", "parallel"),
        ("codebooks_pattern.delay.delays", [0, 1]),
        ("transformer_lm.norm_first", False),
        ("transformer_lm.positional_embedding", "rope"),
        ("transformer_lm.activation", "relu"),
        ("transformer_lm.bias_ff", True),
        ("transformer_lm.past_context", 100),
        ("transformer_lm.num_heads", 5),
        ("transformer_lm.num_heads", "many"),
        ("transformer_lm.num_layers", 0),
        ("transformer_lm.layer_scale", 0.1),
        ("transformer_lm.kv_repeat", 2),
        ("fuser.cross", []),
        ("fuser.sum", ["description"]),
        ("conditioners.description.model", "clap"),
        ("interleave_stereo_codebooks.per_timestep", True),
        ("dataset.segment_duration", "long"),
    ],
)
def test_unsupported_language_models(folder: Path, key: str, value: Any) -> None:
    change(folder / "state_dict.bin", key, value)
    with pytest.raises(ModelError, match=rf"state_dict\.bin.*{key.split('.')[-1]}"):
        load_components(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("compression_model", "dac"),
        ("seanet.activation", "Snake"),
        ("seanet.disable_norm_outer_blocks", 2),
        ("seanet.decoder.final_activation", "Tanh"),
        ("seanet.ratios", "8, 5"),
        ("rvq.bins", 48),
        ("channels", 2),
    ],
)
def test_unsupported_codecs(folder: Path, key: str, value: Any) -> None:
    change(folder / CODEC_FILE, key, value)
    with pytest.raises(ModelError):
        load_components(folder)


def test_broken_checkpoints(folder: Path) -> None:
    path = folder / "state_dict.bin"
    content = torch.load(path, weights_only=True)

    def refused(message: str, changed: Any) -> None:
        torch.save(changed, path)
        with pytest.raises(ModelError, match=message):
            load_components(folder)

    state = content["best_state"]
    refused("lacks the weight 'emb.2.weight'", {**content, "best_state": without(state, "emb.2.w")})
    refused("no place for", {**content, "best_state": {**state, "emb.9.weight": torch.ones(1)}})
    refused("has shape", {**content, "best_state": {**state, "emb.0.weight": torch.ones(65, 8)}})
    refused("lacks the weight", {**content, "best_state": {}})
    refused("no weights under", {**content, "best_state": 3})
    refused("no configuration under", {"best_state": state})
    refused("not YAML", {**content, "xp.cfg": "a: ["})
    refused("no configuration under", {**content, "xp.cfg": "just words"})
    refused("a dictionary was expected", [1])
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(ModelError, match="not a checkpoint that torch saved"):
        load_components(folder)


def without(state: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(start)}


def test_half_precision_stays_as_stored_on_request(folder: Path) -> None:
    content = torch.load(folder / "state_dict.bin", weights_only=True)
    content["best_state"] = {n: t.half() for n, t in content["best_state"].items()}
    torch.save(content, folder / "state_dict.bin")
    lm, _ = reference.read_lm(folder / "state_dict.bin", CPU, None)
    assert {p.dtype for p in lm.parameters()} == {torch.float16}
    assert {p.dtype for p in load_components(folder).lm.parameters()} == {torch.float32}
