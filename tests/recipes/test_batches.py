from random import Random

import pytest
import torch
from tokenizers import Tokenizer

from recipes.nano.batches import NO_DROPOUT, Dropout, build_batch
from recipes.nano.compose import caption, compose
from recipes.nano.tokenizer import train_tokenizer
from recipes.nano.tokens import Clips

SPECIAL = 512


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer()


@pytest.fixture
def clips() -> Clips:
    torch.manual_seed(0)
    codes = torch.randint(SPECIAL, (4, 4, 30), dtype=torch.int16)
    return Clips([1, 2, 3, 4], codes, torch.randint(1, 12, (4, 5), dtype=torch.uint8))


def test_tokens_are_delayed(clips, tokenizer):
    batch = build_batch(clips, [2, 0], tokenizer, NO_DROPOUT, SPECIAL, Random(0))
    assert batch.tokens.shape == (2, 4, 34)
    for k in range(4):
        assert (batch.tokens[:, k, : k + 1] == SPECIAL).all()
        assert torch.equal(batch.tokens[0, k, k + 1 : k + 31], clips.codes[2, k].long())


def test_conditions_are_dropped_as_often_as_asked(clips, tokenizer):
    random, dropout = Random(0), Dropout(everything=0.2, text=0.1, melody=0.5)
    rows = [0, 1, 2, 3] * 150
    batch = build_batch(clips, rows, tokenizer, dropout, SPECIAL, random)
    silent = batch.chroma[..., 0].all(dim=1)
    assert batch.chroma.sum(-1).unique().tolist() == [1.0]
    assert 0.15 < (~batch.heard & silent).float().mean() < 0.25
    assert 0.06 < (~batch.heard & ~silent).float().mean() < 0.14
    assert 0.28 < (batch.heard & silent).float().mean() < 0.42


def test_text_only_is_the_null_melody(clips, tokenizer):
    batch = build_batch(clips, [0, 1], tokenizer, NO_DROPOUT, SPECIAL, Random(0))
    assert batch.heard.all()
    assert batch.chroma[..., 0].all()


def test_words_of_captions_are_whole_and_anything_else_passes(tokenizer):
    pieces = [(s, caption(compose(s), Random(s))) for s in range(5000, 5100)]
    for _, text in pieces:
        ids = tokenizer.encode(text).ids
        assert ids[-1] == 1
        assert 0 not in ids
        assert 2 not in ids
        assert len(ids) == len(text.replace(",", " ").split()) + 1
    assert (
        tokenizer.encode("Solo PIANO, in C# minor.").ids
        == tokenizer.encode("solo piano in c# minor").ids
    )
    strange = tokenizer.encode("zither & 日本 🎵 \n…")
    assert strange.ids[-1] == 1
    assert len(strange.ids) > 5
    assert tokenizer.encode("").ids == [1]
