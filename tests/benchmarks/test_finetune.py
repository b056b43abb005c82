import numpy as np
import torch

from benchmarks.finetune import (
    HEADER,
    OTHER_PROMPTS,
    STYLE_PROMPTS,
    WINDOW,
    Score,
    Song,
    held_out_loss,
    requests,
    shuffled,
)
from benchmarks.style import HELD_OUT
from songloom.checkpoints.load import load_components

SILENCE = np.zeros(8, np.float32)


def test_shuffling_exchanges_all_captions_and_loses_none():
    songs = [Song(str(i), SILENCE, f"caption {i}") for i in range(12)]
    exchanged = shuffled(songs)
    assert [song.stem for song in exchanged] == [song.stem for song in songs]
    assert {song.caption for song in exchanged} == {song.caption for song in songs}
    assert all(a.caption != b.caption for a, b in zip(songs, exchanged, strict=True))


def test_all_models_get_the_same_prompts_and_seeds():
    assert requests(STYLE_PROMPTS, 16) == requests(STYLE_PROMPTS, 16)
    assert {r.seed for r in requests(STYLE_PROMPTS, 16)} == set(range(16))
    assert all("clockwork waltz" in prompt for prompt in STYLE_PROMPTS)
    assert not any("waltz" in prompt for prompt in OTHER_PROMPTS)
    assert len(HELD_OUT) == 2


def test_the_loss_is_that_of_guessing_for_a_model_that_knows_nothing():
    model = load_components("nano")
    model.lm.heads.weight.data.zero_()  # all tokens are equally likely then
    size = model.codec.codebook_size
    codes = [torch.randint(0, size, (4, WINDOW + 5))]
    losses, opening = held_out_loss(model, codes, ["rock"])
    torch.testing.assert_close(losses, torch.full((4,), np.log(size)).float())
    assert abs(opening - np.log(size)) < 1e-4


def test_a_row_has_as_many_cells_as_the_header():
    score = Score(torch.ones(4), 2.0, [0.5, 0.7], [1.0, 2.0], 0.1)
    assert score.row("LoRA", 60).count("|") == HEADER.strip().splitlines()[0].count("|")
    assert score.values()["asked"] == 0.6
