"""How much memory an update takes, and how much there is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from songloom.models.lm import LM
from songloom.training.loss import CHUNK
from songloom.training_request import OptimizerName

SHARE = 0.85
"""Share of the free memory that a training plans to take."""
_STATES = {"dadam": 3, "adamw": 2, "adafactor": 0}
"""Copies of the trained weights that an optimiser keeps."""
_LAYER_WIDTHS, _CROSS_WIDTHS = 8, 4
"""Hidden widths that a layer keeps of every step for the backward pass: norms, attention."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a training takes beyond what the model takes already."""

    fixed: int
    """Gradients, the optimiser's state, the average."""
    per_window: int
    """Inner states of one window, kept for its backward pass."""
    per_window_recomputed: int
    """The same with layers computed again."""

    def total(self, windows: int, recompute: bool) -> int:
        """Bytes while `windows` windows are computed at once."""
        each = self.per_window_recomputed if recompute else self.per_window
        return self.fixed + windows * each


def estimate(lm: LM, steps: int, optimizer: OptimizerName, average: bool, item_size: int) -> Memory:
    """Estimate the memory of a training from the shapes; within a half of what is kept.

    Args:
        lm: the model, ready to be trained: what is not trained does not require gradients.
        steps: of a window, its prefix included.
        optimizer: its name.
        average: whether a moving average of the weights is kept.
        item_size: bytes of a number in the forward pass.
    """
    config = lm.config
    trained = sum(p.numel() for p in lm.parameters() if p.requires_grad)
    copies = 1 + _STATES[optimizer] + (1 if average else 0)
    widths = _LAYER_WIDTHS + (_CROSS_WIDTHS if config.cross_attention else 0)
    layer = steps * (widths * config.hidden_size + 2 * config.ffn_size) * item_size
    heads = CHUNK * config.num_codebooks * config.codebook_size * 4 * 3
    kept = steps * config.hidden_size * item_size
    return Memory(
        fixed=4 * trained * copies + heads,
        per_window=(config.num_layers + 1) * layer,  # one for what the backward pass makes
        per_window_recomputed=config.num_layers * kept + layer,
    )


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device; on a CPU, within what the system or a container allows."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    return min(_free_in_system(), _free_in_container())


def _free_in_system() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError, AttributeError):  # not a POSIX system
        return 4 * 2**30


def _free_in_container() -> int:
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return 2**63
    return 2**63 if limit == "max" else max(0, int(limit) - used)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: PyTorch says so in several ways."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and (
        "not enough memory" in words or "can't allocate memory" in words
    )
