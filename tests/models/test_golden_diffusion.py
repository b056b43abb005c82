"""Multi-band diffusion, read from the published file, against what the reference computed."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from songloom.checkpoints.reference import read_codec
from songloom.checkpoints.reference_diffusion import read_published
from songloom.models.bands import equalize_bands
from songloom.models.codec import Codec
from songloom.models.diffusion import Band, MultiBandDiffusion
from tests.golden_values import golden_folder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return load_file(golden_folder() / "codec" / "mbd_expected.safetensors")


@pytest.fixture(scope="module")
def codec() -> Codec:
    path = golden_folder() / "codec" / "compression_state_dict.bin"
    return read_codec(path, 1, CPU, torch.float32)


@pytest.fixture(scope="module")
def decoder() -> MultiBandDiffusion:
    return read_published(golden_folder() / "codec" / "mbd_tiny.th", CPU)


@pytest.fixture(scope="module")
def bands(decoder: MultiBandDiffusion) -> list[Band]:
    bands = list(decoder.each_band())
    assert bands
    return bands


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)


def test_every_band_is_read(bands: list[Band], expected: dict[str, Tensor]) -> None:
    assert {f"betas{i}" for i in range(len(bands))} == {n for n in expected if "betas" in n}


def test_schedule(bands: list[Band], expected: dict[str, Tensor]) -> None:
    for i, band in enumerate(bands):
        torch.testing.assert_close(
            band.schedule.betas(), expected[f"betas{i}"], atol=1e-9, rtol=1e-5
        )
        visited = [step.index for step in band.schedule.way_back()]
        assert visited == list(range(999, 0, -50))


@torch.inference_mode()
def test_networks(bands: list[Band], expected: dict[str, Tensor]) -> None:
    for i, band in enumerate(bands):
        x, condition = expected[f"unet{i}_input"], expected[f"unet{i}_condition"]
        close(band.unet(x, torch.tensor([700]), condition), expected[f"unet{i}_step700"])


def test_processors(bands: list[Band], expected: dict[str, Tensor]) -> None:
    for i, band in enumerate(bands):
        assert (band.processor is not None) == (f"processor{i}_input" in expected)
        if band.processor is not None:
            x = expected[f"processor{i}_input"][:, 0]
            close(band.processor.project(x), expected[f"processor{i}_project"][:, 0])
            close(band.processor.restore(x), expected[f"processor{i}_return"][:, 0])


def test_equaliser(expected: dict[str, Tensor], codec: Codec) -> None:
    like = expected["encodec_wav"][0]
    close(codec.decode(expected["tokens"][0]), like)
    ours = equalize_bands(expected["re_eq_input"][0], like, codec.sample_rate)
    close(ours, expected["re_eq_output"][0])


@pytest.mark.slow
def test_whole_decoding(
    decoder: MultiBandDiffusion, codec: Codec, expected: dict[str, Tensor]
) -> None:
    close(decoder.decode(codec, expected["tokens"][0], seed=77), expected["wav_seed77"][0])
