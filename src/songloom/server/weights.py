"""Weights that requests bring along, kept by what is in them.

Two files of the same name are two models, whatever their URLs look like, so nothing but the content
tells them apart.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from songloom.checkpoints.packed import is_packed
from songloom.server.given_files import link

PACKED, FINE_TUNED = "weights.tar", "trained_model.tar"
"""Names of a packed model, and of what the original fine-tuner hands out."""


def keep_weights(file: Path, folder: Path) -> Path:
    """Where weights are kept for everyone; `file` stays as well, which takes no room.

    Args:
        file: on the same disk as `folder`.
        folder: that has a folder for each content, under its digest.
    """
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    kept = folder / digest / (PACKED if is_packed(file) else FINE_TUNED)
    if kept.is_file():
        os.utime(kept.parent)  # the age of what is used is counted from its last use
        return kept
    temporary = kept.with_name(f".{secrets.token_hex(8)}")
    link(file, temporary)
    temporary.replace(kept)
    return kept
