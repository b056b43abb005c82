"""Adapters of tiny models: other weights for one, and a model without it."""

from collections.abc import Mapping

import torch

from songloom.models.lm import LM
from songloom.models.lora import lora_layers, lora_state, merge_state


@torch.no_grad()
def set_adapter(lm: LM, state: Mapping[str, torch.Tensor]) -> None:
    """Give the adapter of a model other weights."""
    own = lora_state(lm)
    assert own.keys() == state.keys()
    for name, tensor in own.items():
        tensor.copy_(state[name])


def remove_adapter(lm: LM) -> None:
    """Take the adapter off: the model is as it was before, but stays frozen."""
    for path, layer in lora_layers(lm).items():
        lm.set_submodule(path, layer.base)


def merge_adapter(lm: LM) -> None:
    """Add the adapter to the model's own weights."""
    scale = next(iter(lora_layers(lm).values())).scale
    state = lora_state(lm)
    remove_adapter(lm)
    merge_state(lm, state, scale)
