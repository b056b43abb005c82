"""Where a server's files lie.

<folder>/               by default `server` in SONGLOOM_HOME
    songloom.db         jobs, tokens and all else that is remembered, unless `database` says where
    jobs/<id>/          a job's inputs and results
    files/              uploads
    datasets/<id>/      songs to train on
    weights/            fetched weights, by their content
    turns/              locks by which processes share a device
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from songloom.checkpoints.home import home
from songloom.settings import ServeSettings

STREAM_FILE = "stream.mp3"
"""Where in a prediction's folder its audio grows while it is generated, if someone listens."""

MADE_FOLDER = "made"
"""Beside sounds, of what can be made of them again: outlines, other formats."""

EXCERPT_SIDES = ("original", "heard")
"""Names of a song's excerpt as it is, and as a model's codec has it; of mp3 files."""
FIGURES_FILE = "figures.json"
"""Measurements of both excerpts, beside them."""

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def server_folder(settings: ServeSettings) -> Path:
    """The folder of all of a server's files, which need not exist yet."""
    return (settings.folder or home() / "server").expanduser().absolute()


def database_url(settings: ServeSettings) -> str:
    """The database, as SQLAlchemy names it."""
    return settings.database or f"sqlite:///{server_folder(settings) / 'songloom.db'}"


def jobs_folder(settings: ServeSettings) -> Path:
    """The folder that has a folder for each job."""
    return server_folder(settings) / "jobs"


def job_folder(jobs: Path, id: str) -> Path:
    """A job's folder among those of all jobs; ids that clients choose are no paths."""
    return jobs / (id if _PLAIN_ID.fullmatch(id) else hashlib.sha256(id.encode()).hexdigest())


def derived_path(sound: Path, ending: str) -> Path:
    """Where the outline (`json`) of a sound lies, or the sound in another format."""
    return sound.parent / MADE_FOLDER / f"{sound.name}.{ending}"


def files_folder(settings: ServeSettings) -> Path:
    """The folder of uploaded files."""
    return server_folder(settings) / "files"


def datasets_folder(settings: ServeSettings) -> Path:
    """The folder that has a folder for each data set of songs, which only people remove."""
    return server_folder(settings) / "datasets"


def weights_folder(settings: ServeSettings) -> Path:
    """The folder of weights that were fetched, each in one named by its content's digest."""
    return server_folder(settings) / "weights"


def locks_folder(settings: ServeSettings) -> Path:
    """The folder of the locks by which processes share a device."""
    return server_folder(settings) / "turns"


def folder_size(folder: Path) -> int:
    """Bytes in a folder, each file once; files that go meanwhile count nothing."""
    size = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                size += path.stat().st_size
        except OSError:
            pass
    return size
