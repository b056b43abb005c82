"""Read recordings of predictions: `python -m songloom.jobs.workers.input_reading`.

Strangers' files are decoded here, within limits of memory and of the processor's time, where a
fault of a decoder ends this process and nothing else. One JSON object a line: in come a request, a
model's `InputFormat` and a `target`; that file is written, and out goes an `error`, or none. The
first line out says that it has started.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from songloom.errors import SongloomError
from songloom.generation.inputs import InputFormat, read_inputs
from songloom.jobs.workers.stdio import Stdio
from songloom.request import GenerationRequest

MEMORY_BYTES = 4 << 30
"""The most that reading one request's recordings may take."""


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a question names; an error is for the person who asked."""
    request = GenerationRequest.from_mapping(question["request"])
    format = InputFormat(**question["format"])
    # Demucs is a program of its own, to which the limit would pass down.
    memory = None if request.melody_stems == "demucs" else MEMORY_BYTES
    try:
        with _limit_resources(memory, question["cpu_seconds"]):
            inputs = read_inputs(request, format)
            tensors = {"clip": inputs.clip, "melody": inputs.melody}
            _write(Path(question["target"]), tensors)
    except SongloomError as error:
        return {"error": str(error)}
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error):
            raise
        return {
            "error": f"reading the recording took more than {MEMORY_BYTES >> 30} GiB of memory: "
            "expected a common sample rate and few channels; convert it, or cut it"
        }
    return {"error": None}


def _write(target: Path, tensors: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in tensors.items() if v is not None}, target)


@contextmanager
def _limit_resources(memory: int | None, cpu_seconds: float) -> Iterator[None]:
    """End this process after so much of the processor's time, and refuse it more memory.

    Where a system has no such limits, the process that asks has its own clock.
    """
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, before[1]))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)  # then comes SIGPROF, which ends a process
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, before)


def main() -> None:
    """Work for the process at the other end of standard input and output."""
    stdio = Stdio()
    import torch

    torch.set_num_threads(1)
    stdio.send_json({"ready": True})
    stdio.answer(answer, "the recording could not be read; the server's log says why")


if __name__ == "__main__":
    main()
