"""The codec, read from the reference library's folder, against what the reference computed."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import songloom
from songloom.models.codec import Codec
from tests.golden_values import golden_folder


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return load_file(golden_folder() / "codec" / "expected.safetensors")


def read(kind: str, folder: Path) -> Codec:
    """The codec of a model folder: weights of a language model and of the codec, side by side."""
    shutil.copy(golden_folder() / kind / "state_dict.bin", folder)
    shutil.copy(golden_folder() / "codec" / "compression_state_dict.bin", folder)
    return songloom.load(folder, dtype="float32")._components.codec


def test_encode(expected: dict[str, Tensor], tmp_path: Path) -> None:
    codec = read("text_mono", tmp_path)
    for wav, codes in zip(expected["audio"], expected["codes"], strict=True):
        assert torch.equal(codec.encode(wav), codes)


def test_quantise_and_decode(expected: dict[str, Tensor], tmp_path: Path) -> None:
    codec = read("text_mono", tmp_path)
    for row in range(2):
        codes = codec.quantize(expected["encoder_output"][row : row + 1])
        assert torch.equal(codes, expected["codes"][row])
        latents = codec.latents(codes)
        torch.testing.assert_close(latents[0], expected["quantized"][row], atol=1e-4, rtol=0)
        decoded = codec.decode(codes)
        torch.testing.assert_close(decoded, expected["decoded"][row], atol=1e-4, rtol=0)


def test_stereo(expected: dict[str, Tensor], tmp_path: Path) -> None:
    codec = read("text_stereo", tmp_path)
    assert torch.equal(codec.encode(expected["stereo_audio"][0]), expected["stereo_codes"][0])
    decoded = codec.decode(expected["stereo_codes"][0])
    torch.testing.assert_close(decoded, expected["stereo_decoded"][0], atol=1e-4, rtol=0)
