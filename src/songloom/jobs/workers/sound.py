"""The process that reads and converts sounds for a server: `python -m songloom.jobs.workers.sound`.

Strangers' files are decoded here, where a fault of a decoder ends this process and nothing else.
It takes a JSON object a line and answers each with another; it ends with its standard input.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from songloom.audio.decoding import decode
from songloom.audio.encoding import encode
from songloom.audio.files import read_tags
from songloom.audio.peaks import outline
from songloom.errors import SongloomError
from songloom.jobs.paths import derived_path
from songloom.jobs.workers.stdio import Stdio
from songloom.whole_files import replace_file, write_text


def draw(source: Path, target: Path) -> None:
    """Write a sound's outline as JSON.

    Raises:
        AudioError: the sound can't be read.
        OutputError: the outline can't be written.
    """
    write_text(target, json.dumps(asdict(outline(source))))


def draw_beside(sound: Path) -> None:
    """Have a result's outline ready before anyone looks at it; without one, nothing is lost."""
    target = derived_path(sound, "json")
    with suppress(SongloomError, OSError):
        target.parent.mkdir(exist_ok=True)
        draw(sound, target)


def convert(source: Path, target: Path) -> None:
    """Write a sound with its tags in the format that the target's name says.

    Raises:
        AudioError: the sound can't be read.
        OutputError: it can't be written, or not in that format.
    """
    samples, rate = decode(source, 0.0, float("inf"))
    format = target.suffix.removeprefix(".")
    with replace_file(target) as temporary, temporary.open("w+b") as file:
        encode(file, samples.clip(-1, 1), rate, format, read_tags(source))  # type: ignore[arg-type]


FAULT = "the sound could not be read; the server's log says why"
TASKS = {"draw": draw, "convert": convert}


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a request asks; its answer has an error where that can't be done."""
    try:
        TASKS[request["do"]](Path(request["source"]), Path(request["target"]))
    except SongloomError as error:
        return {"id": request["id"], "error": str(error)}
    except Exception:
        traceback.print_exc()
        return {"id": request["id"], "error": FAULT}
    return {"id": request["id"], "error": None}


def main() -> None:
    """Answer until the server is gone."""
    Stdio().answer(answer, FAULT)


if __name__ == "__main__":
    main()
