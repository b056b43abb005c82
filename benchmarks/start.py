"""From the shell to a file: what a person waits for, start-up included.

Eight seconds of audio by the embedded model, as a new process of two threads, in seconds of audio
per second of waiting (above 1 is faster than real time), and how long `songloom --help` takes
against an empty Python process and an `import torch`.

    python -m benchmarks.start [--quick] [--json]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Options, finish, median, options, say

AUDIO_SECONDS = 8.0
PROMPT = "warm felt piano, slow, C major"


def seconds_of(*command: str) -> float:
    """Run a command; how long it took."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def measure(run: Options) -> dict[str, float | int | str]:
    """Medians of each command, one after the other in every round."""
    rounds = 3 if run.quick else 9
    python, songloom = sys.executable, str(Path(sys.executable).with_name("songloom"))
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "python": (python, "-c", "pass"),
            "torch": (python, "-c", "import torch"),
            "help": (songloom, "--help"),
            "generate": (
                songloom, "generate", PROMPT, "--duration", f"{AUDIO_SECONDS:g}", "--seed", "7",
                "--output", str(Path(folder) / "piano.wav"), "--overwrite",
            ),
        }  # fmt: skip
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            say(f"round {number} of {rounds}" + ("" if number else " (not counted)"), run)
            for name, command in commands.items():
                taken = seconds_of(*command)
                if number:
                    times[name].append(taken)
    middle = {name: median(values) for name, values in times.items()}
    return {
        "rounds": rounds,
        "audio_seconds_per_second": AUDIO_SECONDS / middle["generate"],
        "ratio_generate_to_import_torch": middle["generate"] / middle["torch"],
        "ratio_help_to_empty_python": middle["help"] / middle["python"],
        "ratio_help_to_import_torch": middle["help"] / middle["torch"],
    }


if __name__ == "__main__":
    chosen = options(__doc__)
    finish(measure(chosen), chosen)
