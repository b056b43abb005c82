"""Describes a worker's device and measures its memory."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from songloom.jobs.messages import WorkerReady


def describe_worker(name: str, device: torch.device) -> WorkerReady:
    """Describe a worker that can take work.

    Args:
        name: what the server calls the device.
        device: what that is.
    """
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        described, memory = properties.name, properties.total_memory
    else:
        threads = torch.get_num_threads()
        described = f"{device.type.upper()}, {threads} thread{'s' if threads > 1 else ''}"
        memory = _memory_of_machine()
    return WorkerReady(name, str(device), described, memory)


def memory_in_use(device: torch.device) -> int:
    """Bytes that this process has of a device's memory."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0


def _memory_of_machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not everywhere
        return 0
