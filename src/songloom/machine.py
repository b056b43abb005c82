"""The processor of this machine: what its speed depends on, and how threads wait on it."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
_SETS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 BF16",
    "amx_bf16": "AMX",
    "asimd": "NEON",
    "sve": "SVE",
}
"""Instruction sets that matrix products use, by their names under Linux."""


@dataclass(frozen=True)
class Processor:
    """A processor as its system describes it."""

    name: str
    """The model; virtual machines often give a family and model number beside a vague name."""
    cores: int
    """Logical cores that this process may use."""
    instruction_sets: tuple[str, ...]
    """Those that matrix products use; empty where the system does not list them."""

    def __str__(self) -> str:
        sets = f", {' '.join(self.instruction_sets)}" if self.instruction_sets else ""
        return f"{self.name}{sets}, {self.cores} cores"


def read_processor(cpu_info: Path = CPU_INFO) -> Processor:
    """Describe this machine's processor."""
    fields = _fields_of(cpu_info)
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    name = fields.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    sets = tuple(title for flag, title in _SETS.items() if flag in flags)
    return Processor(", ".join([name, *numbers]), _usable_cores(), sets)


def _fields_of(cpu_info: Path) -> dict[str, str]:
    """Linux's description of the first core; empty on other systems."""
    try:
        first, _, _ = cpu_info.read_text(errors="replace").partition("\n\n")
    except OSError:
        return {}
    pairs = (re.split(r"\s*:\s*", line, maxsplit=1) for line in first.splitlines())
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def suit_training() -> None:
    """Let threads that wait for others sleep instead of spinning, unless the user says otherwise.

    That costs a few per cent on an idle machine. On one where people do something else meanwhile,
    each of a training's short operations would wait for a thread that was put aside while the
    others spin: several times slower. It has an effect only before PyTorch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
