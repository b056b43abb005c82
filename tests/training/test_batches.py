from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.models.delay import undo_delay
from songloom.training.batches import (
    BatchBuilder,
    TrainingSong,
    TrainingWindow,
    draw_windows,
    fixed_windows,
)
from tests.training.tunes import BOOKS, HOP, SONGS, TEXT, encode_text, tiny_lm, tune

FRAMES = 30


def builder(chroma: int = 0) -> BatchBuilder:
    return BatchBuilder(tiny_lm(cross=not chroma, chroma=chroma).config, FRAMES, encode_text, HOP)


@settings(max_examples=25, deadline=None)
@given(start=st.integers(0, 110), frames=st.integers(12, 120))
def test_tokens_are_those_of_the_window(start: int, frames: int) -> None:
    song = tune("a", frames)
    start = min(start, frames - 1)
    config = tiny_lm().config
    batch = builder()([TrainingWindow(song, start, "", melody=False)])
    codes = undo_delay(batch.tokens[0], config.delays)
    known = song.codes[:, start : start + FRAMES].long()
    assert torch.equal(codes[:, : known.shape[1]], known)
    assert (codes[:, known.shape[1] :] == config.special_token).all()
    assert batch.totals(config.special_token).tolist() == [known.shape[1]] * BOOKS


def test_texts_are_padded_with_zeros_and_masked() -> None:
    song = SONGS[0]
    windows = [
        TrainingWindow(song, 0, caption, melody=False) for caption in ("one", "", "one two three")
    ]
    batch = builder()(windows)
    assert batch.text.shape == (3, 3, TEXT)
    assert batch.text_mask.tolist() == [[True, False, False], [False] * 3, [True] * 3]
    assert torch.equal(batch.text[0, :1], encode_text("one")[0])
    assert not batch.text[0, 1:].any()
    assert not batch.text[1].any()
    part = batch.part(slice(0, 1))
    assert part.text.shape == (1, 3, TEXT)  # the padding of the whole batch


def test_a_melody_is_the_chroma_of_the_window() -> None:
    song = tune("a", 240)
    assert song.chroma is not None
    build = builder(chroma=12)
    heard, null = build([
        TrainingWindow(song, 64, "x", melody=True), TrainingWindow(song, 64, "x", melody=False)
    ]).chroma  # fmt: skip
    first = 64 * HOP // 4096
    assert heard.argmax(-1).tolist() == song.chroma[first : first + 6].tolist()
    assert null.argmax(-1).tolist() == [0] * 6


def test_a_short_melody_is_repeated() -> None:
    song = TrainingSong("a", torch.zeros(BOOKS, 12, dtype=torch.int16), torch.tensor([3, 5]).byte())
    chroma = builder(chroma=12)([TrainingWindow(song, 0, "", melody=True)]).chroma
    assert chroma is not None
    assert chroma[0].argmax(-1).tolist() == [3, 5, 3, 5, 3, 5]


def test_conditions_are_dropped_together_as_often_as_asked() -> None:
    windows = draw_windows(SONGS, 2000, FRAMES, 0.3, Random(0))
    dropped = [window for window in windows if not window.caption]
    assert len(dropped) / len(windows) == pytest.approx(0.3, abs=0.05)
    assert not any(window.melody for window in dropped)
    kept = [window.melody for window in windows if window.caption]
    assert sum(kept) / len(kept) == pytest.approx(0.5, abs=0.05)


def test_each_moment_is_equally_likely() -> None:
    long, short = tune("long", 330), tune("short", 110)
    windows = draw_windows([long, short], 3000, FRAMES, 0.0, Random(0))
    share = sum(window.song is long for window in windows) / len(windows)
    assert share == pytest.approx(0.75, abs=0.04)
    starts = [window.start for window in windows if window.song is long]
    assert min(starts) == 0
    assert max(starts) == 330 - FRAMES


def test_more_windows_than_there_is_music() -> None:
    batch = builder()(draw_windows([tune("a", 12)], 64, FRAMES, 0.3, Random(0)))
    assert batch.tokens.shape == (64, BOOKS, 1 + FRAMES + 1)


def test_measured_windows_lie_side_by_side_and_are_limited() -> None:
    windows = fixed_windows([tune("a", 100), tune("b", 40), tune("c", 10)], FRAMES, most=10)
    assert [(w.song.name, w.start) for w in windows] == [
        ("a", 0), ("a", 30), ("a", 60), ("b", 0), ("c", 0)
    ]  # fmt: skip
    assert all(window.caption.startswith("song ") for window in windows)
    assert len(fixed_windows([tune("a", 3000)], FRAMES, most=10)) == 10
    assert fixed_windows([], FRAMES, most=10) == []


def test_draws_follow_from_the_seed() -> None:
    def drawn(seed: int) -> list[tuple[str, int, str]]:
        windows = draw_windows(SONGS, 20, FRAMES, 0.3, Random(seed))
        return [(window.song.name, window.start, window.caption) for window in windows]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
