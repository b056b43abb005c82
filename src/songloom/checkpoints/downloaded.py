"""Files downloaded from the hub, and the disk space that they take."""

from __future__ import annotations

import shutil
from pathlib import Path

from songloom.errors import OutputError


def cache_folder() -> Path:
    """Where everything from the hub is kept, by this program and by others; it need not exist."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def repository_folder(repo: str) -> Path:
    """Where all that was fetched of a repository lies, unfinished downloads included.

    Args:
        repo: hub id.
    """
    return cache_folder() / f"models--{repo.replace('/', '--')}"


def remove_download(repo: str) -> bool:
    """Remove what was fetched of a repository; whether there was anything.

    Raises:
        OutputError: the files can't be removed.
    """
    folder = repository_folder(repo)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(
            f"{folder} can't be removed ({error.strerror}); remove that folder by hand"
        ) from error
    return True
