import torch

from recipes.nano.codec.network import DEAD, FrameCodec


def small() -> FrameCodec:
    torch.manual_seed(0)
    codec = FrameCodec(width=14, latent=6, codebooks=2, size=8, kernel=3, lifted=10)
    codec.embed.normal_()
    codec.embed_sum.copy_(codec.embed)
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


def test_codes_move_to_what_they_stand_for():
    codec = small()
    latents = torch.full((1, 4, 6), 0.5)
    codes = torch.zeros(2, 1, 4, dtype=torch.long)
    before = (codec.embed[0, 0] - 0.5).norm()
    for _ in range(50):
        codec.update_codebooks(latents, codes)
    assert (codec.embed[0, 0] - 0.5).norm() < before


def test_codes_that_nobody_uses_are_replaced():
    codec = small()
    codec.usage.fill_(DEAD)
    codes = torch.zeros(2, 1, 4, dtype=torch.long)
    latents = torch.randn(1, 4, 6)
    codec.update_codebooks(latents, codes)
    near = (codec.embed[0, 1:, None] - latents[0]).norm(dim=-1).amin(1)
    assert near.max() < 1e-5
    assert codec.usage.min() > DEAD
