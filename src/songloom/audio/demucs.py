"""Demucs as a program: stems of a recording.

The program is found on the PATH and may live in an environment of its own, since its dependencies
and torch's CPU builds do not get along. S. Rouard et al., "Hybrid transformers for music source
separation" (ICASSP 2023).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from songloom.audio.files import Audio, read_audio, write_audio
from songloom.errors import AudioError, MissingExtraError

PROGRAM = "demucs"
MODEL = "htdemucs"


def is_installed() -> bool:
    """Whether the program is on the PATH."""
    return shutil.which(PROGRAM) is not None


def demucs_stems(
    audio: Audio, stems: Sequence[str], options: Sequence[str], instead: str
) -> list[Audio]:
    """Separate a recording; the stems have Demucs' sample rate, 44.1 kHz.

    Args:
        audio: the recording.
        stems: those to give, by the names of Demucs' files.
        options: of the program, beside the model and the output.
        instead: what else the user can do, named in errors.

    Raises:
        MissingExtraError: there is no such program.
        AudioError: it fails.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise MissingExtraError(
            f"the program {PROGRAM} is needed, expected on the PATH; install "
            f"it in an environment of its own with 'pipx install demucs', or {instead}"
        )
    with TemporaryDirectory(prefix="songloom-") as name:
        folder = Path(name)
        recording = folder / "recording.wav"
        write_audio(recording, audio, format="wav")
        command = [program, "--name", MODEL, "--float32", *options, "--out", name, str(recording)]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if run.returncode != 0:
            said = (run.stderr or run.stdout).strip().splitlines() or ["no message"]
            raise AudioError(
                f"demucs failed with exit code {run.returncode} ({said[-1]}), expected 0; try "
                f"'demucs' on a file by hand, or {instead}"
            )
        parts = folder / MODEL / recording.stem
        return [read_audio(parts / f"{stem}.wav") for stem in stems]
