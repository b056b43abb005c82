"""On which device, and in which precision, a model computes."""

from __future__ import annotations

from typing import Literal

import torch

from songloom.checkpoints.components import Components
from songloom.errors import ModelError
from songloom.models.linear import has_half_linear, pack_half
from songloom.models.lm import LMConfig

DType = Literal["auto", "float32", "float16", "bfloat16"]

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def resolve_device(device: str) -> torch.device:
    """The device that "auto" or a name means.

    Raises:
        ModelError: there is no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device is {device!r}, but PyTorch cannot use it here "
            f"({str(error).splitlines()[0]}); use cpu, or auto"
        ) from None
    return resolved


def resolve_dtype(dtype: DType, device: torch.device, config: LMConfig) -> torch.dtype:
    """The precision of the weights that "auto" or a name means on a device.

    Raises:
        ModelError: the precision is unknown, or has no fast path here.
    """
    if dtype == "auto":
        if device.type == "cpu" and not has_half_linear():
            return torch.float32
        return torch.float16
    if dtype not in _DTYPES:
        raise ModelError(
            f"dtype is {dtype!r}; expected one of auto, {', '.join(_DTYPES)}; use auto if unsure"
        )
    if dtype == "float16" and device.type == "cpu" and not has_half_linear():
        raise ModelError(
            "dtype is 'float16', but this processor's PyTorch has no float16 path (FBGEMM); "
            "use auto or float32"
        )
    return _DTYPES[dtype]


def pack(components: Components, device: torch.device, dtype: torch.dtype) -> Components:
    """Move a model to its device and put its weights into their precision, in place.

    On a CPU, float16 means weights only: they are packed, and the arithmetic stays in float32.
    """
    lm = components.lm.eval().requires_grad_(False)
    if device.type == "cpu" and dtype == torch.float16:
        pack_half(lm)
    else:
        lm.to(device, dtype)
    components.codec.fold_weight_norm()
    components.codec.encodec.to(device)
    components.text.to(device)
    return components
