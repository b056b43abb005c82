"""On which device, and in which precision, a model computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from songloom.errors import ModelError
from songloom.generation.candidates import HALF, Candidate, choose_candidate, cpu_candidates
from songloom.models.layers import has_half_linear
from songloom.models.lm import LM

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


def resolve_dtype(dtype: DType, device: torch.device) -> torch.dtype | None:
    """The precision of the weights that "auto" or a name means on a device.

    Returns:
        None for "auto" on a CPU: that depends on the model, see `prepare_for_inference`.

    Raises:
        ModelError: the precision is unknown, or has no fast path here.
    """
    if dtype == "auto":
        return None if device.type == "cpu" else torch.float16
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


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a precision means packed weights with arithmetic in float32."""
    return device.type == "cpu" and dtype == torch.float16


def prepare_for_inference(lm: LM, device: torch.device, dtype: torch.dtype | None) -> torch.dtype:
    """Put the weights into their precision, in place; None is the fastest on this CPU.

    Returns:
        The precision of the weights.
    """
    lm.eval().requires_grad_(False)
    if dtype is None:
        candidate = _choose_cpu_candidate(lm)
    elif packs(device, dtype):
        candidate = HALF
    else:
        lm.to(device, dtype)
        return dtype
    candidate.prepare(lm)
    return candidate.dtype


def _choose_cpu_candidate(lm: LM) -> Candidate:
    """The precision that "auto" stands for on the CPU.

    A small model's steps are too short for the choice to matter: it has half precision wherever
    that is packed, without being measured.
    """
    return cpu_candidates()[-1] if is_small(lm) else choose_candidate(lm)


SMALL_BELOW = 512
"""Hidden size below which a step of a few rows is too little work to share among threads."""
ENOUGH_ROWS = 8
"""Rows that make a small model's step worth sharing all the same."""


def threads_for(lm: LM, rows: int) -> int | None:
    """Threads that steps of so many rows should have; None for PyTorch's own choice.

    A small model's operations take microseconds. Sharing them gains nothing on an idle machine, and
    on a busy one every operation waits for the thread that was put aside: 60 times slower, seen.
    """
    return 1 if lm.device.type == "cpu" and is_small(lm) and rows < ENOUGH_ROWS else None


def is_small(lm: LM) -> bool:
    """Whether a step of a few rows takes so little that neither threads nor precision matter."""
    return lm.config.hidden_size < SMALL_BELOW


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Compute with at most so many threads inside; None changes nothing."""
    before = torch.get_num_threads()
    if threads is None or threads >= before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
