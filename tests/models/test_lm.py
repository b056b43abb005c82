"""The language model against itself: with and without the cache, rows alone and together."""

import pytest
import torch

from songloom.models.delay import delays_for
from songloom.models.layers import HalfLinear, has_half_linear, pack_half
from songloom.models.lm import LM, CachePlace, KVCache, LMConfig

TEXT = LMConfig(4, 16, 32, 2, 4, 64, delays_for(4, 1), text_size=12, cross_attention=True)
MELODY = LMConfig(
    8, 16, 32, 2, 4, 64, delays_for(8, 2), text_size=12, cross_attention=False,
    chroma_bins=12, chroma_frames=9,
)  # fmt: skip


def tiny(config: LMConfig) -> LM:
    torch.manual_seed(3)
    return LM(config).eval()


def tokens_of(config: LMConfig, rows: int, steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    shape = (rows, config.num_codebooks, steps)
    return torch.randint(0, config.codebook_size + 1, shape, generator=generator)


@torch.inference_mode()
def test_steps_with_the_cache_equal_teacher_forcing_with_text() -> None:
    lm, tokens = tiny(TEXT), tokens_of(TEXT, 2, 20)
    cross = lm.cross_states(torch.randn(2, 5, 12))
    whole = lm(tokens, cross=cross)
    cache = KVCache(TEXT, 2, 20, torch.device("cpu"), torch.float32)
    first = lm.prefill(tokens[..., :7], cache, slice(0, 2), cross=cross)
    torch.testing.assert_close(first, whole[:, :, 6], atol=1e-5, rtol=0)
    for step in range(7, 20):
        place = CachePlace(slice(0, 2), step)
        logits = lm.step(tokens[..., step], cache, place, cross)
        torch.testing.assert_close(logits, whole[:, :, step], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_steps_with_the_cache_equal_teacher_forcing_with_a_prefix() -> None:
    lm, tokens = tiny(MELODY), tokens_of(MELODY, 2, 12)
    chroma = torch.nn.functional.one_hot(torch.randint(12, (2, 4)), 12).float()
    prefix = lm.prefix(torch.randn(2, 3, 12), torch.ones(2, 3), chroma)
    assert prefix.shape == (2, 9 + 3, 32)
    whole = lm(tokens, prefix=prefix)
    assert whole.shape == (2, 8, 12, 16)
    cache = KVCache(MELODY, 2, 24, torch.device("cpu"), torch.float32)
    lm.prefill(tokens[..., :1], cache, slice(0, 2), prefix)
    for step in range(1, 12):
        logits = lm.step(tokens[..., step], cache, CachePlace(slice(0, 2), 12 + step))
        torch.testing.assert_close(logits, whole[:, :, step], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_rows_of_different_lengths_share_a_step() -> None:
    lm, tokens = tiny(TEXT), tokens_of(TEXT, 2, 15)
    whole = lm(tokens)
    cache = KVCache(TEXT, 2, 15, torch.device("cpu"), torch.float32)
    lm.prefill(tokens[:1, :, :9], cache, slice(0, 1))
    lm.prefill(tokens[1:, :, :4], cache, slice(1, 2))
    for ahead in range(5):
        place = CachePlace.from_lengths(slice(0, 2), [9 + ahead, 4 + ahead], cache.keys[0])
        step = torch.stack([tokens[0, :, 9 + ahead], tokens[1, :, 4 + ahead]])
        logits = lm.step(step, cache, place)
        torch.testing.assert_close(logits[0], whole[0, :, 9 + ahead], atol=1e-5, rtol=0)
        torch.testing.assert_close(logits[1], whole[1, :, 4 + ahead], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_row_of_zeros_hears_exactly_nothing() -> None:
    lm, tokens = tiny(TEXT), tokens_of(TEXT, 2, 6)
    cross = lm.cross_states(torch.randn(2, 5, 12))
    for tensor in (*cross.keys, *cross.values):
        tensor[1] = 0
    heard, nothing = lm(tokens, cross=cross), lm(tokens)
    assert torch.equal(heard[1], nothing[1])
    assert (heard[0] - nothing[0]).abs().max() > 1e-3


@torch.inference_mode()
def test_masked_text_is_not_heard() -> None:
    lm, tokens = tiny(TEXT), tokens_of(TEXT, 1, 6)
    text = torch.randn(1, 5, 12)
    mask = torch.tensor([[1.0, 1, 1, 0, 0]])
    padded = lm(tokens, cross=lm.cross_states(text, mask))
    short = lm(tokens, cross=lm.cross_states(text[:, :3]))
    torch.testing.assert_close(padded, short, atol=1e-5, rtol=0)
    assert (padded - lm(tokens, cross=lm.cross_states(text))).abs().max() > 1e-3


@torch.inference_mode()
def test_null_chroma_is_bin_zero_throughout() -> None:
    lm = tiny(MELODY)
    text, mask = torch.randn(1, 2, 12), torch.ones(1, 2)
    silence = torch.zeros(1, 3, 12)
    silence[..., 0] = 1
    assert torch.equal(lm.prefix(text, mask, None), lm.prefix(text, mask, silence))


@torch.inference_mode()
def test_a_long_melody_is_cut_and_a_short_one_repeated() -> None:
    lm = tiny(MELODY)
    text, mask = torch.randn(1, 2, 12), torch.ones(1, 2)
    melody = torch.nn.functional.one_hot(torch.arange(30) % 12, 12).float()[None]
    assert torch.equal(lm.prefix(text, mask, melody), lm.prefix(text, mask, melody[:, :9]))
    repeated = melody[:, :4].repeat(1, 3, 1)[:, :9]
    assert torch.equal(lm.prefix(text, mask, melody[:, :4]), lm.prefix(text, mask, repeated))


@pytest.mark.skipif(not has_half_linear(), reason="this PyTorch has no FBGEMM")
@torch.inference_mode()
def test_half_weights_stay_close() -> None:
    torch.manual_seed(0)
    config = LMConfig(4, 64, 128, 4, 4, 512, delays_for(4, 1), 12, cross_attention=True)
    lm, tokens = LM(config).eval(), tokens_of(config, 2, 30)
    text = torch.randn(2, 5, 12)
    exact = lm(tokens, cross=lm.cross_states(text))
    pack_half(lm)
    assert isinstance(lm.blocks[0].ffn_in, HalfLinear)
    packed = lm(tokens, cross=lm.cross_states(text))
    assert 0 < (packed - exact).norm() / exact.norm() < 2e-3
