"""Analyzes uploaded songs: `python -m songloom.jobs.workers.analysis`.

One JSON object a line: in comes a song's `path`, out go its `seconds` and `labels`, or an `error`
for the person who uploaded it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from songloom.errors import AudioError, OutputError
from songloom.jobs.workers.stdio import Stdio

SAMPLE_RATE = 32_000
"""Hz of the codecs of nearly all models: what is heard is what a training's analysis hears."""


def analyze_song(path: Path) -> dict[str, Any]:
    """Measure a song's length and labels."""
    from songloom.dataset.analysis.song import analyse
    from songloom.dataset.label import label
    from songloom.dataset.token_store import read_recording

    try:
        audio = read_recording(path, SAMPLE_RATE, 1, path.parent, cancelled=lambda: False)
    except (AudioError, OutputError) as error:
        return {"error": str(error).replace(repr(str(path)), "it")}
    labels = label(audio, [analyse])
    return {
        "seconds": audio.seconds,
        "labels": {name: getattr(labels, name) for name in labels.known},
    }


def main() -> None:
    """Work for the server at the other end of standard input and output."""
    stdio = Stdio()
    stdio.lower_priority()  # nobody waits for it as for music
    stdio.answer(
        lambda question: analyze_song(Path(question["path"])),
        "it could not be listened to; the server's log says why",
    )


if __name__ == "__main__":
    main()
