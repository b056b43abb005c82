"""Reads damaged files one after the other, and says of each how that ended.

`python -m tests.campaigns.victim KIND FILE...` prints a line of JSON before and after each file, so
that whoever started it knows which one it died of.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import songloom
from songloom.audio.files import read_audio
from songloom.dataset.ingest import open_songs
from songloom.errors import SongloomError
from songloom.request import GenerationRequest


def read_archive(path: Path) -> None:
    """Unpack an archive, and read what is in it."""
    with tempfile.TemporaryDirectory() as scratch, open_songs(path, Path(scratch)):
        pass


def use_model(path: Path) -> None:
    """Load a model, and have it make a little music."""
    model = songloom.load(path, device="cpu")
    model.generate(GenerationRequest(prompt="a", duration=0.2, seed=1))


KINDS: dict[str, Callable[[Path], object]] = {
    "audio": read_audio, "archives": read_archive, "models": use_model,
}  # fmt: skip


def main() -> None:
    """Read all files that were named."""
    read = KINDS[sys.argv[1]]
    for name in sys.argv[2:]:
        print(json.dumps({"file": name}), flush=True)
        began, trace = time.monotonic(), ""
        try:
            read(Path(name))
            outcome = "read"
        except SongloomError:
            outcome = "refused"
        except BaseException:
            outcome, trace = "traceback", traceback.format_exc()
        said = {
            "outcome": outcome, "seconds": time.monotonic() - began, "trace": trace,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        }  # fmt: skip
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
