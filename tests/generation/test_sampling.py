"""Sampling draws from the right distribution, and each row for itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.generation.sampling import SamplingParams, guide, sample


def logits_of(rows: int, vocabulary: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed)) * 2


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = logits_of(5, 30)
    drawn = sample(logits, SamplingParams(temperature=0), torch.rand(5))
    assert torch.equal(drawn, logits.argmax(-1))


@given(seed=st.integers(0, 1000), k=st.integers(1, 40), u=st.floats(0, 1, exclude_max=True))
def test_top_k_stays_within_the_k_likeliest(seed: int, k: int, u: float) -> None:
    logits = logits_of(1, 30, seed)
    drawn = sample(logits, SamplingParams(top_k=k), torch.tensor([u]))
    assert drawn in logits.topk(min(k, 30)).indices[0]


@given(
    seed=st.integers(0, 1000),
    p=st.floats(0.01, 1),
    u=st.floats(0, 1, exclude_max=True),
    temperature=st.floats(0.1, 3),
)
def test_top_p_stays_within_the_nucleus(seed: int, p: float, u: float, temperature: float) -> None:
    logits = logits_of(1, 30, seed)
    params = SamplingParams(top_k=1, top_p=p, temperature=temperature)
    drawn = int(sample(logits, params, torch.tensor([u])))
    probabilities = (logits[0] / temperature).softmax(-1)
    likelier = probabilities[probabilities > probabilities[drawn]].sum()
    assert likelier <= p + 1e-5


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(top_k=30),
        SamplingParams(top_k=0),
        SamplingParams(top_k=7, temperature=0.7),
        SamplingParams(top_p=0.8),
    ],
)
def test_frequencies_follow_the_probabilities(params: SamplingParams) -> None:
    logits = logits_of(1, 30)
    uniforms = (torch.arange(20_000) + 0.5) / 20_000
    drawn = sample(logits.expand(20_000, -1), params, uniforms)
    frequencies = torch.bincount(drawn, minlength=30) / 20_000
    expected = (logits[0] / params.temperature).softmax(-1)
    kept = frequencies > 0
    torch.testing.assert_close(
        frequencies[kept], expected[kept] / expected[kept].sum(), atol=2e-4, rtol=0
    )
    assert int(kept.sum()) == (7 if params.top_k == 7 else kept.sum())


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(2, 6), top_p=st.sampled_from([0.0, 0.6]), seed=st.integers(0, 99))
def test_a_row_does_not_depend_on_its_neighbours(rows: int, top_p: float, seed: int) -> None:
    logits, uniforms = logits_of(rows, 300, seed), torch.rand(rows)
    params = SamplingParams(top_p=top_p)
    together = sample(logits, params, uniforms)
    alone = [sample(logits[i : i + 1], params, uniforms[i : i + 1]) for i in range(rows)]
    assert torch.equal(together, torch.cat(alone))


def test_the_ends_of_the_unit_interval_are_safe() -> None:
    logits = torch.tensor([[0.0, -1e9, -1e9]])
    for u in (0.0, 0.99999994):
        for params in (SamplingParams(top_k=3), SamplingParams(top_p=1.0)):
            assert sample(logits, params, torch.tensor([u])) == 0


@pytest.mark.parametrize("temperature", [1e-40, 1e-6, 1e30])
def test_extreme_temperatures_are_safe(temperature: float) -> None:
    logits = logits_of(4, 30) * 100
    for params in (
        SamplingParams(temperature=temperature),
        SamplingParams(top_p=0.5, temperature=temperature),
    ):
        drawn = sample(logits, params, torch.full((4,), 0.5))
        if temperature < 1:
            assert torch.equal(drawn, logits.argmax(-1))
        else:
            assert drawn.min() >= 0
            assert drawn.max() < 30


def test_guidance() -> None:
    conditional, null = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 1.0])
    assert torch.equal(guide(conditional, null, 1.0), conditional)
    assert torch.equal(guide(conditional, null, 0.0), null)
    assert torch.equal(guide(conditional, null, 2.5), torch.tensor([3.5, -1.5]))
