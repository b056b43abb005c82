from random import Random

import numpy as np
import pytest
import torch

from recipes.nano.batches import NO_DROPOUT, Dropout, build_batch, draw_batch, melody_of
from recipes.nano.clips import ENDING, Clip, held_out_clip, training_clip
from recipes.nano.compose import compose
from recipes.nano.compose.captions import list_facts
from recipes.nano.model import ModelSettings, NanoModel
from recipes.nano.score import chord_chroma, label_frames
from recipes.nano.tokenizer import UNKNOWN

FRAMES, WHOLE = 30, 60


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [training_clip(seed, FRAMES) for seed in range(4)]


def test_tokens_are_those_of_the_render_delayed(clips, tokenizer, sampler, coder):
    batch = build_batch(clips, tokenizer, sampler, coder, NO_DROPOUT, Random(0), WHOLE)
    frames = 2 * FRAMES  # of the codec
    assert batch.tokens.shape == (4, 4, frames + 4)
    for row, clip in enumerate(clips):
        true = coder.code(torch.from_numpy(sampler.render(clip.excerpt))[None])[0]
        for k in range(4):
            assert (batch.tokens[row, k, : k + 1] == coder.special).all()
            assert torch.equal(batch.tokens[row, k, k + 1 : k + 1 + frames], true[k])
        np.testing.assert_array_equal(batch.labels[row], label_frames(clip.excerpt))


def test_conditions_are_dropped_as_often_as_asked(clips, tokenizer, sampler, coder):
    dropout = Dropout(everything=0.2, text=0.1, melody=0.5, chords=0.0)
    batch = build_batch(clips * 100, tokenizer, sampler, coder, dropout, Random(0), WHOLE)
    silent = batch.chroma[..., 0].all(dim=1)
    assert batch.chroma.sum(-1).unique().tolist() == [1.0]
    assert 0.15 < (~batch.heard & silent).float().mean() < 0.27
    assert 0.05 < (~batch.heard & ~silent).float().mean() < 0.15
    assert 0.28 < (batch.heard & silent).float().mean() < 0.45


def test_text_only_is_the_null_melody(clips, tokenizer, sampler, coder):
    batch = build_batch(clips, tokenizer, sampler, coder, NO_DROPOUT, Random(0), WHOLE)
    assert batch.heard.all()
    assert not batch.blank.any()
    assert batch.chroma is None
    torch.manual_seed(0)
    model = NanoModel(
        ModelSettings(
            hidden_size=32, layers=2, heads=2, ffn_size=32, text_size=16, text_layers=1,
            text_heads=2, text_ffn_size=16, clip_frames=WHOLE, codebook_size=1024,
        )
    )  # fmt: skip
    frames = model.lm.config.chroma_frames
    null = model.lm.null_chroma(len(clips)).expand(-1, frames, -1)
    tokens = batch.tokens[:, :, :-1]
    with torch.no_grad():
        once = model(tokens, batch.text, batch.heard, None)
        each = model(tokens, batch.text, batch.heard, null)
    torch.testing.assert_close(once, each, atol=1e-4, rtol=0)


def test_a_melody_lasts_for_the_whole_window_and_is_that_of_the_clip(sampler):
    clip = held_out_clip(0, FRAMES)
    tune_alone, whole_band = (Dropout(band=share, chords=0.0) for share in (0.0, 1.0))
    tune = melody_of(clip, sampler, tune_alone, Random(0), WHOLE)
    longer = melody_of(held_out_clip(0, WHOLE), sampler, tune_alone, Random(0), WHOLE)
    assert torch.equal(tune, longer)
    band = melody_of(clip, sampler, whole_band, Random(0), WHOLE)
    assert band.shape == tune.shape
    assert not torch.equal(band, tune)


def test_chords_are_the_pieces_own(sampler):
    for seed in range(20):
        clip = training_clip(seed, WHOLE)
        rows = melody_of(clip, sampler, Dropout(chords=1.0), Random(0), WHOLE)
        np.testing.assert_array_equal(rows, chord_chroma(clip.excerpt))
        assert set(rows.sum(1).tolist()) <= {1.0, 3.0}
        key = clip.piece.key.pitch_classes
        sounding = rows.sum(1) == 3
        assert sounding.any()
        outside = [p for p in range(12) if p not in key]
        assert not rows[sounding][:, outside].any()


def test_steps_have_no_clip_in_common_and_are_the_same_again(tokenizer, sampler, coder):
    def batch(first: int) -> torch.Tensor:
        numbers = range(first, first + 2)
        return draw_batch(numbers, FRAMES, WHOLE, tokenizer, sampler, coder, Dropout()).tokens

    assert torch.equal(batch(10), batch(10))
    assert not torch.equal(batch(10), batch(12))


def test_clips_end_as_often_as_they_should_and_held_out_ones_never():
    drawn = [training_clip(seed, 300) for seed in range(1000)]
    assert ENDING / 2 < np.mean([clip.ending for clip in drawn]) < ENDING * 2
    assert np.mean([clip.excerpt.start == 0 for clip in drawn]) > 0.6
    assert any(clip.intro for clip in drawn)
    for number in range(50):
        clip = held_out_clip(number, 300)
        assert clip.excerpt.last_bar is None
        assert not clip.intro
        assert label_frames(clip.excerpt)[3].any()


def test_words_of_captions_are_whole_and_anything_else_passes(tokenizer):
    lengths, whole = 0, 0
    for text in (list_facts(compose(seed), Random(seed)) for seed in range(9000, 9100)):
        ids = tokenizer.encode(text).ids
        assert ids[-1] == 1
        assert 0 not in ids
        assert 2 not in ids
        lengths += len(ids) - 1
        whole += len(text.replace(",", " ").replace(".", " ").replace(":", " ").split())
    assert lengths < 1.02 * whole
    assert (
        tokenizer.encode("Solo PIANO, in C# minor.").ids
        == tokenizer.encode("solo piano in c# minor").ids
    )
    strange = tokenizer.encode("zither & 日本 🎵 \n…")
    assert strange.ids[-1] == 1
    assert strange.tokens.count(UNKNOWN) == 2
    assert tokenizer.encode("").ids == [1]
