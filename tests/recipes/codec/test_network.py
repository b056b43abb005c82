import torch

from recipes.nano.codec.network import FrameCodec


def small() -> FrameCodec:
    torch.manual_seed(0)
    codec = FrameCodec(width=14, latent=6, codebooks=2, size=8, kernel=3, lifted=10)
    codec.embed.normal_()
    return codec


def test_every_codebook_codes_what_is_left():
    codec = small()
    codec.embed[1] *= 0.1
    true = codec.embed[0][[3, 5]] + codec.embed[1][[2, 7]]
    total, codes = codec.quantize(true[None])
    assert codes[:, 0].tolist() == [[3, 5], [2, 7]]
    torch.testing.assert_close(total[0], true)


def test_gradients_pass_the_codebooks():
    codec = small()
    coded = codec(torch.randn(2, 8 * 640))
    assert coded.audio.shape == (2, 8 * 640)
    assert coded.codes.shape == (2, 2, 8)
    coded.audio.square().sum().backward()
    assert codec.analysis.weight.grad.abs().sum() > 0
