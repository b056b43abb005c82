"""Adapters: nothing at first, what the paper says after that, and nothing left when removed."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from songloom.errors import ModelError, RequestError
from songloom.models.delay import delays_for
from songloom.models.layers import HalfLinear, has_half_linear, pack_half
from songloom.models.lm import LM, LMConfig
from songloom.models.lora import (
    TARGETS,
    LayerShape,
    LoraConfig,
    add_lora,
    layers_of,
    linear_at,
    lora_layers,
    lora_state,
    merge_state,
)
from tests.models.adapters import merge_adapter, remove_adapter, set_adapter

TEXT = LMConfig(4, 16, 32, 2, 4, 64, delays_for(4, 1), text_size=12, cross_attention=True)
MELODY = LMConfig(
    8, 16, 32, 2, 4, 64, delays_for(8, 2), text_size=12, cross_attention=False,
    chroma_bins=12, chroma_frames=9,
)  # fmt: skip
EVERYTHING = LoraConfig(rank=3, alpha=5, targets=TARGETS)
CONFIGS = pytest.mark.parametrize("config", [TEXT, MELODY], ids=["text", "melody"])


def tiny(config: LMConfig) -> LM:
    torch.manual_seed(3)
    return LM(config).eval()


def logits_of(lm: LM) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    config = lm.config
    tokens = torch.randint(
        0, config.codebook_size, (2, config.num_codebooks, 7), generator=generator
    )
    text = torch.randn(2, 3, config.text_size, generator=generator).to(lm.dtype)
    if config.cross_attention:
        result: torch.Tensor = lm(tokens, cross=lm.cross_states(text))
    else:
        result = lm(tokens, prefix=lm.prefix(text, torch.ones(2, 3, dtype=lm.dtype), None))
    return result


def trained(lm: LM, config: LoraConfig = EVERYTHING) -> LM:
    """With an adapter that does something."""
    add_lora(lm, config, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    state = lora_state(lm)
    set_adapter(
        lm,
        {
            name: torch.randn(t.shape, generator=generator) * 0.1 if name.endswith("up") else t
            for name, t in state.items()
        },
    )
    return lm


@CONFIGS
def test_a_new_adapter_changes_nothing_and_is_all_that_learns(config: LMConfig) -> None:
    lm = tiny(config)
    before, weights = logits_of(lm), dict(lm.named_parameters())
    names = add_lora(lm, EVERYTHING)
    assert set(names) == set(lora_layers(lm))
    assert torch.equal(logits_of(lm), before)
    logits_of(lm).square().mean().backward()
    assert all(weight.grad is None for weight in weights.values())
    learned = {name for name, weight in lm.named_parameters() if weight.grad is not None}
    assert learned == {f"{name}.{leaf}" for name in names for leaf in ("down", "up")}
    assert {n for n, w in lm.named_parameters() if w.requires_grad} == learned


@CONFIGS
def test_merged_or_not_the_logits_are_the_same(config: LMConfig) -> None:
    plain, lm = tiny(config), trained(tiny(config))
    state = {name: tensor.clone() for name, tensor in lora_state(lm).items()}
    adapted = logits_of(lm)
    assert (adapted - logits_of(plain)).abs().max() > 1e-2
    merge_adapter(lm)
    assert lora_layers(lm) == {}
    assert list(lm.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(logits_of(lm), adapted, atol=1e-5, rtol=0)
    merge_state(plain, state, EVERYTHING.scale)
    assert torch.equal(logits_of(plain), logits_of(lm))


def test_each_part_has_matrices_of_its_own() -> None:
    lm = tiny(TEXT)
    weight = lm.blocks[1].attention.qkv.weight.detach().clone()
    trained(lm)
    layer = lora_layers(lm)["blocks.1.attention.qkv"]
    merge_adapter(lm)
    change = lm.blocks[1].attention.qkv.weight - weight
    for part in range(3):
        expected = layer.up[part] @ layer.down[part] * 5 / 3
        torch.testing.assert_close(change[32 * part : 32 * part + 32], expected)
    assert not torch.equal(layer.up[0] @ layer.down[0], layer.up[1] @ layer.down[1])


def test_removing_leaves_the_base_as_it_was() -> None:
    plain, lm = tiny(MELODY), trained(tiny(MELODY))
    remove_adapter(lm)
    assert list(lm.state_dict()) == list(plain.state_dict())
    assert torch.equal(logits_of(lm), logits_of(plain))


@pytest.mark.parametrize("path", ["blocks.0.attention.qkv", "blocks.1.cross.kv", "heads"])
def test_gradients_are_those_of_the_merged_weights(path: str) -> None:
    """W + s B A: the gradients of B and A follow from that of W."""
    lm, merged = trained(tiny(TEXT)), trained(tiny(TEXT))
    logits_of(lm).square().sum().backward()
    merge_adapter(merged)
    merged.requires_grad_(True)
    logits_of(merged).square().sum().backward()
    layer = lora_layers(lm)[path]
    whole = merged.get_submodule(path).weight.grad
    assert isinstance(whole, torch.Tensor)
    for part, gradient in enumerate(whole.chunk(len(layer.up))):
        assert layer.up.grad is not None
        assert layer.down.grad is not None
        expected = gradient @ layer.down[part].T * layer.scale
        torch.testing.assert_close(layer.up.grad[part], expected, atol=1e-3, rtol=1e-3)
        expected = layer.up[part].T @ gradient * layer.scale
        torch.testing.assert_close(layer.down.grad[part], expected, atol=1e-3, rtol=1e-3)


def test_a_few_steps_learn() -> None:
    lm = tiny(TEXT)
    add_lora(lm, LoraConfig(rank=4, alpha=8), torch.Generator().manual_seed(0))
    adapter = [p for p in lm.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(adapter, 1e-2)
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(logits_of(lm).flatten(0, -2), torch.arange(2 * 4 * 7) % 16)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


def test_the_generator_decides_where_an_adapter_begins() -> None:
    def begun(seed: int) -> dict[str, torch.Tensor]:
        lm = tiny(TEXT)
        add_lora(lm, EVERYTHING, torch.Generator().manual_seed(seed))
        return lora_state(lm)

    first, again, other = begun(1), begun(1), begun(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["heads.down"], other["heads.down"])
    bound = 1 / math.sqrt(32)
    assert bound * 0.8 < first["heads.down"].abs().max() <= bound


def half_precision(lm: LM) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return logits_of(lm).float()


def bfloat16_base(lm: LM) -> torch.Tensor:
    for parameter in lm.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16()
    assert lora_state(lm)["heads.up"].dtype == torch.float32
    return logits_of(lm).float()


@pytest.mark.parametrize("low", [half_precision, bfloat16_base])
def test_low_precision_stays_close(low: Callable[[LM], torch.Tensor]) -> None:
    lm = trained(tiny(TEXT))
    exact = logits_of(lm)
    found = low(lm)
    assert 0 < (found - exact).norm() / exact.norm() < 0.03
    found.square().mean().backward()
    gradient = lora_layers(lm)["heads"].up.grad
    assert gradient is not None
    assert gradient.dtype == torch.float32


@pytest.mark.skipif(not has_half_linear(), reason="this PyTorch has no FBGEMM")
def test_over_packed_weights() -> None:
    exact = logits_of(trained(tiny(TEXT)))
    lm = tiny(TEXT)
    pack_half(lm)
    trained(lm)
    assert isinstance(lora_layers(lm)["heads"].base, HalfLinear)
    assert (logits_of(lm) - exact).norm() / exact.norm() < 2e-3
    with pytest.raises(ModelError, match=r"packed float16 weights.*float32"):
        merge_adapter(lm)


def test_dropout_is_for_training() -> None:
    lm = trained(tiny(TEXT), LoraConfig(rank=3, alpha=5, targets=TARGETS, dropout=0.5))
    assert torch.equal(logits_of(lm), logits_of(trained(tiny(TEXT))))
    lm.train()
    assert not torch.equal(logits_of(lm), logits_of(lm))


def test_what_the_targets_stand_for() -> None:
    assert layers_of(TEXT, ["heads"]) == {"heads": LayerShape(4, 32, 64)}
    assert layers_of(TEXT, ["cross"])["blocks.1.cross.kv"] == LayerShape(2, 32, 64)
    assert layers_of(MELODY, ["cross"]) == {}
    assert set(layers_of(MELODY, ["conditions"])) == {"text_projection", "chroma_projection"}
    equal = LMConfig(4, 16, 32, 2, 4, 64, delays_for(4, 1), text_size=32, cross_attention=True)
    assert layers_of(equal, ["conditions"]) == {}
    assert len(layers_of(TEXT)) == 2 * 7 + 2
    for config in (TEXT, MELODY):
        for path, shape in layers_of(config).items():
            layer = linear_at(tiny(config), path)
            assert (layer.in_features, layer.out_features) == (shape.inputs, shape.outputs)


def test_errors_name_what_is_wrong() -> None:
    for message, values in (
        ("rank is 0", {"rank": 0}),
        ("alpha is nan", {"alpha": math.nan}),
        ("dropout is 1", {"dropout": 1.0}),
        ("targets is \\('everything',\\)", {"targets": ("everything",)}),
        ("targets is \\(\\)", {"targets": ()}),
    ):
        with pytest.raises(RequestError, match=message):
            LoraConfig(**values)  # type: ignore[arg-type]
    lm = tiny(MELODY)
    with pytest.raises(ModelError, match="no layers of the kinds cross"):
        add_lora(lm, LoraConfig(targets=("cross",)))
    trained(lm)
    with pytest.raises(ModelError, match="has an adapter already"):
        add_lora(lm, EVERYTHING)
