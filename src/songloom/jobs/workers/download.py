"""The process that fetches one model: `python -m songloom.jobs.workers.download NAME`.

It prints how far it is as JSON, a line each time, and at last why it failed, where it did. It ends
with its standard input; what has arrived stays, and the next one goes on from there.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from songloom.checkpoints.catalogue import NANO, known_model
from songloom.checkpoints.downloaded import cache_folder
from songloom.checkpoints.hub import download
from songloom.errors import ModelError, OutputError, SongloomError
from songloom.jobs.workers.stdio import Stdio
from songloom.progress import ProgressEvent

SHOWN_SECONDS = 0.4
"""Between two words on how far it is."""
_INSTEAD = f"make music with {NANO} meanwhile, which is included"


def fetch(name: str, tell: Callable[[dict[str, Any]], None]) -> None:
    """Fetch a known model.

    Args:
        name: of the model.
        tell: takes `{"done": bytes, "total": bytes}`, at first and then now and again.

    Raises:
        ModelError: it is unknown, or can't be fetched.
        OutputError: there is no room for it.
    """
    model = known_model(name)
    if model is None:
        raise ModelError(f"{name!r} is not a model that can be downloaded; choose a listed one")
    shown: float | None = None

    def report(event: ProgressEvent) -> None:
        nonlocal shown
        done, total = event.bytes_done, event.bytes_total  # type: ignore[union-attr]
        if shown is None:
            _check_room(name, total - done)
        moment = time.monotonic()
        if shown is None or moment - shown > SHOWN_SECONDS or done == total:
            shown = moment
            tell({"done": done, "total": total})

    download(model.source, name, model.licence, report, _INSTEAD)


def _check_room(name: str, needed: int) -> None:
    """Refuse at the beginning what could only fail at the end."""
    folder = cache_folder()
    free = shutil.disk_usage(_nearest_existing(folder)).free
    if needed > free:
        raise OutputError(
            f"the model {name!r} needs {needed / 1e9:.1f} GB on the disk, but {free / 1e9:.1f} GB "
            f"are free where {folder} lies; make room, or set HF_HOME to a folder that has some"
        )


def _nearest_existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def main() -> None:
    """Fetch the model that the command line names."""
    stdio = Stdio()
    stdio.read(lambda line: None)  # exits with the server
    try:
        fetch(sys.argv[1], stdio.send_json)
    except SongloomError as error:
        stdio.send_json({"error": str(error)})
        os._exit(1)
    os._exit(0)  # the reading thread never ends


if __name__ == "__main__":
    main()
