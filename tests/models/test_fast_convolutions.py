"""Layers with fewer multiplications give what PyTorch's own layers give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from songloom.models import fast_convolutions
from songloom.models.diffusion_unet import UNet, UNetConfig
from songloom.models.fast_convolutions import GroupNorm, Workspace, accelerated, is_worth_it

LAYERS = [
    nn.Conv1d(12, 20, 3, padding=1),
    nn.Conv1d(12, 20, 3, padding=1, bias=False),
    nn.Conv1d(12, 20, 8, 4, 2, bias=False),
    nn.Conv1d(12, 20, 4, 2, 1, bias=False),
    nn.ConvTranspose1d(12, 20, 8, 4, 2, bias=False),
    nn.ConvTranspose1d(12, 20, 4, 2, 1, bias=False),
]


@pytest.fixture(autouse=True)
def _all_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_convolutions, "LEAST_CHANNELS", 1)


def of_both_orders(x: Tensor) -> list[Tensor]:
    """The same signal with its steps together, and with its channels together."""
    return [x.contiguous(), x.transpose(1, 2).contiguous().transpose(1, 2)]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
@torch.inference_mode()
def test_same_as_the_layer(
    layer: nn.Conv1d | nn.ConvTranspose1d, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_convolutions, "has_packed_linear", lambda: packed)
    assert is_worth_it(layer)
    fast = fast_convolutions._fast(layer, Workspace())
    generator = torch.Generator().manual_seed(0)
    for steps in (4, 20, 24, 28, 400):
        for x in of_both_orders(torch.randn(2, 12, steps, generator=generator)):
            torch.testing.assert_close(fast(x), layer(x), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(12, 20, 3, padding=2, dilation=2),
        nn.Conv1d(12, 20, 5, padding=2),
        nn.Conv1d(12, 20, 6, 4, 1),
        nn.Conv1d(12, 20, 1),
    ],
    ids=str,
)
def test_other_layers_stay(layer: nn.Conv1d) -> None:
    assert not is_worth_it(layer)


def test_narrow_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_convolutions, "LEAST_CHANNELS", 20)
    assert is_worth_it(LAYERS[0])
    monkeypatch.setattr(fast_convolutions, "LEAST_CHANNELS", 21)
    assert not is_worth_it(LAYERS[0])


@torch.inference_mode()
def test_group_norm() -> None:
    torch.manual_seed(0)
    layer = nn.GroupNorm(4, 12)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = 2 * torch.randn(2, 12, 70) + torch.randn(2, 12, 1)
    for order in of_both_orders(x):
        torch.testing.assert_close(GroupNorm(layer)(order), layer(x), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_network() -> None:
    torch.manual_seed(0)
    unet = UNet(UNetConfig(hidden=8, depth=3, growth=2.0, res_blocks=2, condition_size=5)).eval()
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    fast = accelerated(unet)
    replaced = {type(module).__name__ for module in fast.modules()}
    assert {"FastConvolution", "FastDown", "FastUp"} <= replaced
    for samples in (640, 1000, 6400):
        x, latents = torch.randn(2, 1, samples), torch.randn(2, 5, -(-samples // 640))
        steps = torch.tensor([3, 900])
        torch.testing.assert_close(
            fast(x, steps, latents), unet(x, steps, latents), atol=2e-5, rtol=1e-4
        )
    assert fast.embedding.weight is unet.embedding.weight
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())
