"""Pieces join and leave a running batch, and none changes another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import songloom
from songloom.generation import batch as batch_module
from songloom.generation.batch import Batch, StepCount
from songloom.generation.prepare import Piece
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> songloom.Model:
    folder = tmp_path_factory.mktemp("models") / "text"
    return songloom.load(tiny_model(folder, window_seconds=2.0), dtype="float32")


def request(seed: int, duration: float = 0.4, **fields: object) -> songloom.GenerationRequest:
    return songloom.GenerationRequest(prompt="slow jazz", duration=duration, seed=seed, **fields)


def until_empty(batch: Batch) -> StepCount:
    steps = tokens = 0
    while not batch.empty:
        count = batch.advance()
        steps, tokens = steps + count.steps, tokens + count.tokens
    return StepCount(steps, tokens)


def done(piece: Piece) -> bool:
    return piece.done == piece.frames


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    durations=st.lists(st.sampled_from([0.1, 0.3, 0.7, 2.5, 4.5]), min_size=1, max_size=5),
    pauses=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    places=st.integers(1, 4),
)
def test_whenever_pieces_join_they_are_what_they_are_alone(
    model: songloom.Model, durations: list[float], pauses: list[int], places: int
) -> None:
    batch = model.open_batch(places)
    pieces = []
    for seed, duration in enumerate(durations):
        pieces.append(model.piece(request(seed, duration)))
        batch.add(pieces[-1])
        for _ in range(pauses[seed]):
            batch.advance()
    until_empty(batch)
    for piece in pieces:
        alone = model.generate(piece.request)
        assert torch.equal(piece.codes, alone.tokens)
        assert torch.equal(model.track(piece).audio, alone.audio)


def test_a_piece_that_leaves_disturbs_nobody(model: songloom.Model) -> None:
    batch = model.open_batch(3)
    leaving, staying, queued = (model.piece(request(seed, 0.8)) for seed in range(3))
    for piece in (leaving, staying):
        batch.add(piece)
    batch.advance()
    batch.add(queued)
    batch.remove(leaving)
    batch.remove(queued)
    assert batch.rows == 2  # with guidance, the one that stays
    until_empty(batch)
    assert done(staying)
    assert not done(leaving)
    assert torch.equal(staying.codes, model.generate(staying.request).tokens)


def test_pieces_wait_for_a_place_in_their_order(model: songloom.Model) -> None:
    batch = model.open_batch(1)
    first, second = (model.piece(request(seed)) for seed in range(2))
    batch.add(first)
    batch.add(second)
    while not done(first):
        batch.advance()
        assert second.done == 0
    until_empty(batch)
    assert done(second)


def test_a_prompt_that_is_too_long_waits_for_a_larger_cache(
    model: songloom.Model,
) -> None:
    short, long = model.piece(request(0, 0.2)), model.piece(request(1, 2.0))
    batch = Batch(model._components, model._adapters, rows=4, steps=20)
    batch.add(short)
    batch.advance()
    batch.add(long)
    until_empty(batch)
    assert torch.equal(long.codes, model.generate(long.request).tokens)
    assert torch.equal(short.codes, model.generate(short.request).tokens)


def test_an_empty_batch_does_nothing(model: songloom.Model) -> None:
    batch = model.open_batch(2)
    assert batch.empty
    assert batch.advance() == StepCount(0, 0)
    assert batch.rows == 0


def test_rows_are_limited(model: songloom.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_ROWS", 4)
    batch = model.open_batch(100)
    pieces = [model.piece(request(seed)) for seed in range(5)]
    for piece in pieces:
        batch.add(piece)
    batch.advance()
    assert batch.rows == 4
    until_empty(batch)
    assert all(map(done, pieces))


def steps_of(piece: Piece, model: songloom.Model) -> int:
    """Steps that are drawn for a piece of one window: its frames, and those of the delay."""
    return piece.frames + max(model._components.lm.config.delays)


def test_the_steps_of_one_piece_are_counted(model: songloom.Model) -> None:
    batch = model.open_batch(1)
    piece = model.piece(request(0, 1.5))
    batch.add(piece)
    steps = steps_of(piece, model)
    assert until_empty(batch) == StepCount(steps, 2 * steps)  # guidance takes a second row


def test_tokens_are_counted_until_a_piece_leaves(model: songloom.Model) -> None:
    batch = model.open_batch(2)
    long = model.piece(request(0, 1.5))
    short = model.piece(request(1, 0.4, classifier_free_guidance=1))
    for piece in (long, short):
        batch.add(piece)
    steps = steps_of(long, model)
    assert until_empty(batch) == StepCount(steps, 2 * steps + steps_of(short, model))
