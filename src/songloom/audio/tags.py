"""Tags of audio files."""

from __future__ import annotations

import os
from pathlib import Path

from songloom.audio.decoding import metadata
from songloom.audio.encoding import TAG_NAMES


def read_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read what a file says about itself, if it does: title, artist, ..., as in `TAG_NAMES`.

    Raises `AudioError` as `read_audio` does for a file that is missing or not audio.
    """
    tags = metadata(Path(path))
    if "encoder" in tags:  # what FFmpeg calls a wav's software; libsndfile adds its own name to it
        tags.setdefault("software", tags["encoder"])
    if "software" in tags:
        tags["software"] = tags["software"].partition(" (libsndfile-")[0]
    return {name: tags[name] for name in TAG_NAMES if name in tags}
