"""A tuned decoder beside an adapter: what is read back, and what is refused."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from songloom.checkpoints.codec_decoder import read_codec_decoder, write_codec_decoder
from songloom.checkpoints.hub import files_to_fetch
from songloom.checkpoints.model_codec import read_model_codec
from songloom.errors import ModelError, OutputError
from songloom.models.codec import Codec
from songloom.models.encodec import plain_weights
from songloom.training.decoder_adaptation import tuned_names
from tests.models.test_codec import tiny
from tests.tiny import tiny_model

FILE = "codec_decoder.safetensors"


def written(folder: Path, codec: Codec) -> dict[str, torch.Tensor]:
    decoder = codec.encodec.decoder
    weights = plain_weights(decoder, tuned_names(decoder))
    tensors = {name: weight + 0.1 for name, weight in weights.items()}
    write_codec_decoder(folder, tensors, codec.fingerprint())
    return tensors


def test_there_and_back(tmp_path: Path) -> None:
    codec = tiny()
    before = {name: tensor.clone() for name, tensor in codec.encodec.state_dict().items()}
    tensors = written(tmp_path, codec)
    decoder = read_codec_decoder(tmp_path, codec)
    assert decoder is not None
    for name, tensor in plain_weights(decoder, tensors).items():
        torch.testing.assert_close(tensor, tensors[name])
    assert not any(tensor.requires_grad for tensor in decoder.parameters())
    layers = tuple(name.rpartition(".")[0] for name in tensors)
    for name, tensor in decoder.named_parameters():
        assert name.startswith(layers) or torch.equal(tensor, before[f"decoder.{name}"])
    assert all(torch.equal(codec.encodec.state_dict()[n], t) for n, t in before.items())
    with safe_open(tmp_path / FILE, "pt") as file:
        assert set(file.keys()) == {f"decoder.{name}" for name in tensors}
        assert file.metadata()["codec"] == codec.fingerprint()


def test_most_adapters_have_none(tmp_path: Path) -> None:
    assert read_codec_decoder(tmp_path, tiny()) is None


def test_it_comes_with_an_adapter_from_the_hub() -> None:
    adapter = ["adapter_config.json", "adapter_model.safetensors"]
    assert files_to_fetch([*adapter, "README.md"]) == tuple(adapter)
    assert files_to_fetch([*adapter, FILE, "README.md"]) == (*adapter, FILE)


def test_another_codec_is_refused(tmp_path: Path) -> None:
    written(tmp_path, tiny())
    other = read_model_codec(tiny_model(tmp_path / "model"), torch.device("cpu")).codec
    with pytest.raises(ModelError, match="decoder for another codec than the base model's"):
        read_codec_decoder(tmp_path, other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensor: tensor[:1], "has no place for"),
        (lambda tensor: tensor * torch.nan, "not finite"),
    ],
    ids=["shape", "numbers"],
)
def test_tensors_that_do_not_fit(tmp_path: Path, change: object, said: str) -> None:
    codec = tiny()
    written(tmp_path, codec)
    tensors = load_file(tmp_path / FILE)
    name = min(tensors)
    tensors[name] = change(tensors[name])  # type: ignore[operator]
    save_file(tensors, tmp_path / FILE, {"codec": codec.fingerprint()})
    with pytest.raises(ModelError, match=said):
        read_codec_decoder(tmp_path, codec)


@pytest.mark.parametrize("kept", [0, 7, 200])
def test_broken_files(tmp_path: Path, kept: int) -> None:
    written(tmp_path, tiny())
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=f"{FILE} is not a whole file"):
        read_codec_decoder(tmp_path, tiny())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        written(tmp_path / "missing", tiny())
