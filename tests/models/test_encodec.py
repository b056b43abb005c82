"""EnCodec's networks against transformers', on the same random weights."""

import math
from typing import Any

import pytest
import torch
import transformers

from songloom.models.encodec import Encodec, EncodecConfig

SHAPES = {
    "musicgen": {"upsampling_ratios": [8, 5, 4, 4], "sampling_rate": 32_000},
    "odd": {"upsampling_ratios": [3, 5], "sampling_rate": 8000, "kernel_size": 5},
    "deep": {"upsampling_ratios": [4, 2], "num_residual_layers": 3, "dilation_growth_rate": 3},
    "narrow": {"upsampling_ratios": [4, 2], "compress": 4, "num_lstm_layers": 1},
    "zeros": {"upsampling_ratios": [4, 2], "pad_mode": "constant", "use_conv_shortcut": False},
}


def pair(shape: dict[str, object]) -> tuple[Encodec, transformers.EncodecModel]:
    common: dict[str, Any] = {
        "num_filters": 8,
        "hidden_size": 16,
        "codebook_dim": 16,
        "codebook_size": 32,
        "use_causal_conv": False,
        "sampling_rate": 24_000,
        **shape,
    }
    frame_rate = math.ceil(common["sampling_rate"] / math.prod(common["upsampling_ratios"]))
    common["target_bandwidths"] = [3 * 5 * frame_rate / 1000]  # three codebooks of five bits
    torch.manual_seed(4)
    theirs = transformers.EncodecModel(transformers.EncodecConfig(**common)).eval()
    for layer in theirs.quantizer.layers:
        layer.codebook.embed.normal_()
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in common.items()}
    ours = Encodec(EncodecConfig(**fields)).eval()
    # Names and shapes are the same: nothing is missing, nothing left over.
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("samples", [3, 640, 7001])
@torch.inference_mode()
def test_networks_agree(shape: dict[str, object], samples: int) -> None:
    ours, theirs = pair(shape)
    wav = torch.randn(2, 1, samples)
    latents = ours.encoder(wav)
    torch.testing.assert_close(latents, theirs.encoder(wav), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.decoder(latents), theirs.decoder(latents), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@torch.inference_mode()
def test_codebooks_agree(shape: dict[str, object]) -> None:
    ours, theirs = pair(shape)
    assert ours.config.num_quantizers == theirs.config.num_quantizers == 3
    latents = torch.randn(2, 16, 50)
    for mine, their in zip(ours.quantizer.layers, theirs.quantizer.layers, strict=True):
        codes = mine.encode(latents)
        assert torch.equal(codes, their.encode(latents))
        assert torch.equal(mine.decode(codes), their.decode(codes))


def test_official_numbers() -> None:
    """The shape of MusicGen's own codec."""
    config = EncodecConfig(
        sampling_rate=32_000,
        upsampling_ratios=(8, 5, 4, 4),
        codebook_size=2048,
        target_bandwidths=(2.2,),
    )
    assert (config.hop, config.num_quantizers) == (640, 4)
