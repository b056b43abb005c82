"""The network that is trained and the EnCodec that is shipped are one function."""

import copy

import pytest
import torch

from recipes.nano.codec.export import encodec_config, export_codec
from recipes.nano.codec.lapped import HOP
from recipes.nano.codec.network import FrameCodec


@pytest.fixture(scope="module")
def encodec(started):
    return export_codec(started)


@pytest.fixture(scope="module")
def audio(mixes):
    return torch.from_numpy(mixes[:2, : 40 * HOP] / 32767).float()


@torch.no_grad()
def test_it_encodes_the_same(started, encodec, audio):
    coded = started(audio)
    codes = encodec.encode(audio[:, None]).audio_codes[0].transpose(0, 1)
    assert (codes == coded.codes).float().mean() > 0.98


@torch.no_grad()
def test_it_decodes_the_same_in_half_precision(started, encodec, audio):
    coded = started(audio)
    packed = copy.deepcopy(encodec).half().float()
    output = packed.decoder(coded.quantized.transpose(1, 2))[:, 0]
    error = (output - coded.audio).square().mean().sqrt()
    assert error < 0.01 * coded.audio.square().mean().sqrt()


def test_the_layout_is_that_of_the_official_models(encodec):
    config = encodec.config
    assert config.frame_rate == 50
    assert config.hop_length == HOP
    assert config.num_quantizers == 4
    assert config.sampling_rate == 32_000
    packed = copy.deepcopy(encodec).half()  # as it is shipped
    assert all(parameter.isfinite().all() for parameter in packed.parameters())


def test_a_width_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="width 100 plus 2"):
        encodec_config(FrameCodec(width=100, latent=4, codebooks=4, size=8, kernel=7, lifted=4))
