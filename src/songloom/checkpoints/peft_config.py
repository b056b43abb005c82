"""PEFT's `adapter_config.json`: what an adapter is, before its weights are read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from songloom.checkpoints.configs import read_json
from songloom.checkpoints.home import ADAPTER_CONFIG
from songloom.errors import ModelError

_KNOWN = {
    *("peft_type", "r", "lora_alpha", "use_rslora", "alpha_pattern", "base_model_name_or_path"),
    *("bias", "init_lora_weights", "target_modules", "layers_to_transform", "exclude_modules"),
    # Of no importance once an adapter is trained, or implied by its weights:
    *("lora_dropout", "rank_pattern", "layers_pattern", "fan_in_fan_out", "inference_mode"),
    *("auto_mapping", "revision", "task_type", "peft_version", "runtime_config", "eva_config"),
    *("megatron_config", "megatron_core", "loftq_config", "corda_config", "lora_ga_config"),
    *("qalora_group_size", "ensure_weight_tying"),
}
_PLAIN_STARTS = (None, True, False, "gaussian", "eva", "orthogonal")
"""Beginnings of an adapter that leave the base's weights alone; the others change them, so that the
adapter is of no use to the base."""


@dataclass(frozen=True)
class PeftConfig:
    """The settings of an `adapter_config.json` that songloom uses."""

    source: Path
    base: str
    """Name, hub id or path of the model that the adapter was trained on; empty if unknown."""
    rank: int
    alpha: float
    alphas: Mapping[str, float]
    """By patterns of layers' names, where they differ."""
    rank_stabilised: bool
    """Strength alpha / sqrt(rank) ("A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA",
    Kalajdzievski, 2023) in place of alpha / rank."""
    everywhere: tuple[str, ...]
    """Ends of the names of layers that are all adapted; empty where only the weights tell."""

    def scale(self, layer: str, rank: int) -> float:
        """Strength of the adapter in a layer of transformers' model."""
        fitting = (a for p, a in self.alphas.items() if re.fullmatch(rf"(.*\.)?({p})", layer))
        alpha = next(fitting, self.alpha)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


def is_adapter(path: Path) -> bool:
    """Whether `path` is a folder with an adapter."""
    return (path / ADAPTER_CONFIG).is_file()


def name_base(folder: Path) -> str:
    """The model that an adapter says it was trained on.

    Raises:
        ModelError: it says nothing, or the file that would is broken.
    """
    base = read_peft_config(folder).base
    if not base:
        raise ModelError(
            f"the adapter in {folder} does not say which model it was trained on; name that (base)"
        )
    return base


def read_peft_config(folder: Path) -> PeftConfig:
    """An adapter's configuration.

    Raises:
        ModelError: the file is missing or broken, or the adapter is of a kind without support.
    """
    path = folder / ADAPTER_CONFIG
    content = read_json(path)
    _refuse_unsupported(content, path)
    targets, patterns = content.get("target_modules"), content.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise _unexpected_value(path, "alpha_pattern", patterns, "an object")
    partly = content.get("layers_to_transform") is not None or content.get("exclude_modules")
    return PeftConfig(
        source=path,
        base=str(content.get("base_model_name_or_path") or ""),
        rank=max(1, round(_positive_number(path, "r", content.get("r", 8)))),
        alpha=_positive_number(path, "lora_alpha", content.get("lora_alpha", 8)),
        alphas={
            _pattern(path, key): _positive_number(path, f"alpha_pattern[{key!r}]", alpha)
            for key, alpha in patterns.items()
        },
        rank_stabilised=bool(content.get("use_rslora")),
        everywhere=tuple(map(str, targets)) if isinstance(targets, list) and not partly else (),
    )


def ends_with(layer: str, ends: Iterable[str]) -> bool:
    """Whether a layer's name ends with one of `ends`, which begin where a part of a name does."""
    return any(layer == end or layer.endswith(f".{end}") for end in ends)


def _refuse_unsupported(content: dict[str, Any], path: Path) -> None:
    found = {key: value for key, value in content.items() if value and key not in _KNOWN}
    if content.get("peft_type") != "LORA":
        found["peft_type"] = content.get("peft_type")
    if content.get("bias", "none") != "none":
        found["bias"] = content["bias"]
    if content.get("init_lora_weights") not in _PLAIN_STARTS:
        found["init_lora_weights"] = content["init_lora_weights"]
    if found:
        settings = ", ".join(f"{key} = {value!r}" for key, value in found.items())
        raise ModelError(
            f"{path} describes an adapter with {settings}, which songloom has no code for; "
            "merge it with PEFT (merge_and_unload) and load the model that this gives"
        )


def _positive_number(path: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise _unexpected_value(path, key, value, "a number above 0")
    return float(value)


def _pattern(path: Path, key: str) -> str:
    try:
        re.compile(key)
    except re.error:
        raise _unexpected_value(path, "alpha_pattern", key, "a pattern of layers' names") from None
    return key


def _unexpected_value(path: Path, key: str, value: object, expected: str) -> ModelError:
    return ModelError(
        f"{path}: {key} is {value!r}, but {expected} was expected; get the adapter again"
    )
