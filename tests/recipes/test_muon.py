import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.nano.muon import Muon, orthogonalise


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 100))
def test_singular_values_become_about_equal(rows, columns, seed):
    torch.manual_seed(seed)
    matrix = torch.linalg.qr(torch.randn(rows, rows))[0] @ torch.eye(rows, columns)
    matrix = matrix * torch.logspace(0, -1, columns)
    values = torch.linalg.svdvals(orthogonalise(matrix)) / max(1, rows / columns) ** 0.5
    assert values.max() < 1.3
    assert values.min() > 0.3


def test_it_solves_a_linear_problem():
    torch.manual_seed(0)
    inputs, weight = torch.randn(64, 8), torch.randn(8, 8)
    layer = torch.nn.Linear(8, 8, bias=False)
    optimizer = Muon(layer.parameters(), lr=0.05)
    first = None
    for _ in range(100):
        loss = (layer(inputs) - inputs @ weight.t()).square().mean()
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
