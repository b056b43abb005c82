import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.nano.rvq import ResidualQuantizer, kmeans, nearest


def fitted(quantizers=3, size=8, width=4, seed=0) -> tuple[ResidualQuantizer, torch.Tensor]:
    torch.manual_seed(seed)
    vectors = torch.randn(400, width)
    quantizer = ResidualQuantizer(quantizers, size, width)
    quantizer.fit(vectors, batch_vectors=400)
    return quantizer.eval(), vectors.t()[None]  # (1, D, T)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_every_codebook_brings_the_latents_nearer(seed):
    quantizer, latents = fitted(seed=seed)
    codes = quantizer(latents).codes
    left = latents[0].t()
    error = left.square().mean()
    for codebook, index in zip(quantizer.codebooks, codes[0], strict=True):
        left = left - codebook[index]
        assert left.square().mean() < error
        error = left.square().mean()


def test_latents_are_the_sum_of_their_codes():
    quantizer, latents = fitted()
    result = quantizer(latents)
    coded = sum(
        book[index] for book, index in zip(quantizer.codebooks, result.codes[0], strict=True)
    )
    torch.testing.assert_close(result.latents[0].t(), coded)
    assert result.codes.shape == (1, 3, 400)


def test_gradients_pass_straight_through():
    quantizer, latents = fitted()
    latents = latents.clone().requires_grad_()
    weight = torch.randn_like(latents)
    (quantizer(latents).latents * weight).sum().backward()
    torch.testing.assert_close(latents.grad, weight)


def test_codebooks_follow_the_data_only_in_training():
    quantizer, latents = fitted(quantizers=1)
    before, moved = quantizer.codebooks.clone(), latents + 2
    far = quantizer(moved).commitment
    torch.testing.assert_close(quantizer.codebooks, before)
    quantizer.train()
    for _ in range(600):
        quantizer(moved)
    assert quantizer.eval()(moved).commitment < 0.5 * far


def test_dead_codes_are_revived():
    quantizer, latents = fitted(quantizers=1)
    quantizer.codebooks[0, 0] = 100.0
    quantizer.counts[0, 0], quantizer.sums[0, 0] = 0.0, 0.0
    quantizer.train()(latents)
    assert quantizer.codebooks.abs().max() < 10


def test_kmeans_finds_clusters():
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    vectors = centres.repeat(50, 1) + 0.1 * torch.randn(200, 2)
    found, counts = kmeans(vectors, 16)
    assert int(counts.sum()) == 200
    distance = (vectors - found[nearest(vectors, found)]).norm(dim=1)
    assert distance.max() < 1.0
