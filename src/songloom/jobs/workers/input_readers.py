"""Recordings of predictions, read in processes of their own, several side by side.

What a file does to its decoder (a crash, a hang, memory without end) is an error of the prediction
that it was given for, and of no other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from songloom.errors import AudioError
from songloom.generation.inputs import InputAudio, InputFormat
from songloom.request import GenerationRequest

START_SECONDS = 300.0
"""How long a process may take to start, on a busy machine."""
END_SECONDS = 5.0
"""How long a process may take to end once it has closed its output."""
CPU_SECONDS = 60.0
"""The processor's time that reading may take, and as much again as the piece is long."""


class InputReaders:
    """Reads recordings; from any thread. Processes are kept for the next, and end with this one.

    Args:
        seconds: that one reading may take by the clock.
        module: that a process runs.
    """

    def __init__(self, seconds: float, module: str = "songloom.jobs.workers.input_reading") -> None:
        self._seconds, self._module = seconds, module
        self._idle: list[_ReaderProcess] = []
        self._lock = threading.Lock()

    def read(self, request: GenerationRequest, format: InputFormat, folder: Path) -> InputAudio:
        """Read the recordings of a request as `read_inputs` does.

        Args:
            request: that names some.
            format: of the model.
            folder: for a file in between.

        Raises:
            AudioError: they can't be read, or not within the limits.
        """
        if request.input_audio is None and request.melody_audio is None:
            return InputAudio()
        with self._lock:
            process = self._idle.pop() if self._idle else _ReaderProcess(self._module)
        target = folder / f".inputs-{process.id}.part"
        question = {
            "request": request.to_mapping(),
            "format": asdict(format),
            "target": str(target),
            "cpu_seconds": CPU_SECONDS + request.duration,
        }
        try:
            error = process.ask(question, self._seconds, _name_of(request))
            if process.is_alive:
                with self._lock:
                    self._idle.append(process)
            if error is not None:
                raise AudioError(error)
            return _read(target)
        finally:
            target.unlink(missing_ok=True)

    def close(self) -> None:
        """End the processes that nobody waits for."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()


class _ReaderProcess:
    """A Python that answers one question after the other."""

    def __init__(self, module: str) -> None:
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._popen = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads},
        )
        self.is_alive, self._is_ready = True, False

    @property
    def id(self) -> int:
        return self._popen.pid

    def ask(self, question: Mapping[str, Any], seconds: float, name: str) -> str | None:
        """The error of an answer, if it has one; a process that does not answer is ended.

        Args:
            question: what is to be read.
            seconds: for the answer, once the process has started.
            name: what errors call the recording.
        """
        if not self._is_ready:  # its start is no fault of the recording, on a busy machine
            self._is_ready = self._line(START_SECONDS)[0] != b""
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.write(json.dumps(question).encode() + b"\n")
            self._popen.stdin.flush()
        line, is_late = self._line(seconds)
        if line.endswith(b"\n"):
            error: str | None = json.loads(line)["error"]
            return error
        code = self.end(END_SECONDS)
        if not self._is_ready:
            return "the process that reads recordings could not start; try again"
        if is_late or code == -getattr(signal, "SIGPROF", 0):
            return (
                f"{name} could not be read in time: expected an audio file that decodes at least "
                "as fast as it plays; convert it to wav, or cut it"
            )
        return (
            f"{name} ended the process that read it (exit code {code}): expected an audio file "
            "that is whole; convert it to wav"
        )

    def _line(self, seconds: float) -> tuple[bytes, bool]:
        """Read the next line of output; with whether the process was killed for taking too long."""
        assert self._popen.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._popen.kill()

        clock = threading.Timer(seconds, give_up)
        clock.daemon = True
        clock.start()
        try:
            line = self._popen.stdout.readline()
            return line, late.is_set()
        finally:
            clock.cancel()

    def end(self, patience: float = 0.0) -> int:
        """End the process, which has nothing to lose; its exit code.

        Args:
            patience: seconds for one that is about to end by itself.
        """
        self.is_alive = False
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience)
        self._popen.kill()
        code = self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        return code


def _name_of(request: GenerationRequest) -> str:
    named = (request.input_audio, request.melody_audio)
    return " or ".join(repr(str(path)) for path in named if path is not None)


def _read(path: Path) -> InputAudio:
    from safetensors.torch import load

    tensors = load(path.read_bytes())
    return InputAudio(tensors.get("clip"), tensors.get("melody"))
