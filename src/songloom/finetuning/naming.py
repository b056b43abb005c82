"""Names of models, out of what people write and of what their songs are called."""

from __future__ import annotations

import re
from pathlib import Path

from songloom.plain_names import plain_name

LONGEST_NAME = 60
"""Characters."""
_ARCHIVE = re.compile(
    r"(.+)\.(?:zip|tgz|tbz2?|txz|tar(?:\.(?:gz|bz2|xz))?)", re.IGNORECASE | re.DOTALL
)


def clean_model_name(text: str) -> str:
    """Reduce a text to the characters of a model's name; it may leave nothing."""
    return plain_name(text, also=".-", longest=LONGEST_NAME).strip(" .-_")


def derive_model_name(songs: Path) -> str:
    """A name for the model of a folder, an archive or a file of songs."""
    name = songs.resolve().name
    if archive := _ARCHIVE.fullmatch(name):
        name = archive[1]
    elif songs.is_file():
        name = Path(name).stem
    return clean_model_name(name) or "my-style"
