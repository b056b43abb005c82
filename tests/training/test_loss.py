import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from songloom.training import loss as loss_module
from songloom.training.loss import cross_entropy

SPECIAL = 7


def example(batch: int, steps: int, books: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """States (B, S, D), weight (K * V, D) and targets (B, K, S), some of them special."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(batch, steps, 5, generator=generator, dtype=torch.float64)
    weight = torch.randn(books * SPECIAL, 5, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, SPECIAL + 1, (batch, books, steps), generator=generator)
    return states, weight, targets


def plain(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    batch, steps, _ = states.shape
    books = targets.shape[1]
    logits = (states @ weight.T).view(batch, steps, books, SPECIAL).transpose(1, 2)
    return torch.stack([
        F.cross_entropy(
            logits[:, k].flatten(0, 1), targets[:, k].flatten(), ignore_index=SPECIAL
        )
        for k in range(books)
    ])  # fmt: skip


def totals(targets: Tensor) -> Tensor:
    return (targets != SPECIAL).sum(dim=(0, 2)).clamp(min=1)


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 3),
    steps=st.integers(2, 9),
    books=st.integers(1, 3),
    chunk=st.integers(1, 12),
    seed=st.integers(0, 999),
)
def test_loss_and_gradients_are_those_of_plain_cross_entropy(
    batch: int, steps: int, books: int, chunk: int, seed: int
) -> None:
    states, weight, targets = example(batch, steps, books, seed)
    targets[:, :, 0] = 0  # at least one target counts
    ours = [x.clone().requires_grad_() for x in (states, weight)]
    theirs = [x.clone().requires_grad_() for x in (states, weight)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss_module, "CHUNK", chunk)
        mean, losses = cross_entropy(*ours, targets, SPECIAL, totals(targets))
        mean.backward()
    expected = plain(*theirs, targets)
    expected.mean().backward()
    torch.testing.assert_close(losses.double(), expected.detach(), rtol=1e-5, atol=1e-5)
    assert mean.item() == pytest.approx(losses.mean().item())
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, its.grad, rtol=1e-5, atol=1e-6)


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    states, weight, targets = example(4, 6, 2)
    whole = cross_entropy(states, weight, targets, SPECIAL, totals(targets))
    parts = [
        cross_entropy(states[i : i + 1], weight, targets[i : i + 1], SPECIAL, totals(targets))
        for i in range(4)
    ]
    for i in range(2):
        torch.testing.assert_close(sum(part[i] for part in parts), whole[i])


def test_frozen_heads_get_no_gradient() -> None:
    states, weight, targets = example(1, 4, 2)
    states.requires_grad_()
    cross_entropy(states, weight, targets, SPECIAL, totals(targets))[0].backward()
    assert states.grad is not None
    assert weight.grad is None


def test_a_factor_on_the_mean_scales_the_gradients() -> None:
    states, weight, targets = example(1, 4, 2)
    grads = []
    for factor in (1.0, 8.0):
        variable = states.clone().requires_grad_()
        mean, _ = cross_entropy(variable, weight, targets, SPECIAL, totals(targets))
        (factor * mean).backward()
        assert variable.grad is not None
        grads.append(variable.grad)
    torch.testing.assert_close(grads[1], 8 * grads[0])


def test_targets_that_do_not_count_have_no_say() -> None:
    states, weight, targets = example(1, 4, 1)
    targets[:] = SPECIAL
    states.requires_grad_()
    mean, _ = cross_entropy(states, weight, targets, SPECIAL, totals(targets))
    mean.backward()
    assert mean.item() == 0
    assert states.grad is not None
    assert not states.grad.any()


def test_half_precision_follows_autocast() -> None:
    states, weight, targets = example(2, 6, 2)
    exact, _ = cross_entropy(states.float(), weight.float(), targets, SPECIAL, totals(targets))
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = cross_entropy(states.float(), weight.float(), targets, SPECIAL, totals(targets))
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05)
