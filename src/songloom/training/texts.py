"""Text files that appear whole."""

from __future__ import annotations

from pathlib import Path

from songloom.errors import OutputError


def write_text(path: Path, text: str) -> None:
    """Give `path` this text (UTF-8), at once or not at all.

    Raises:
        OutputError: it cannot be written; an older file is as it was.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{str(path)!r} cannot be written ({error.strerror or error}): expected a folder that "
            "exists, may be written and has room; choose another place"
        ) from error
