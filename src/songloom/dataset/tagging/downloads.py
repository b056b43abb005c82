"""The files of the tagging model: where they are published, and that they arrive whole.

The checksums are those of the files as the Music Technology Group publishes them (release 1 of
each), as several independent users of them have recorded. A file that differs is refused.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from songloom.checkpoints.home import home
from songloom.errors import ModelError
from songloom.progress import DownloadProgress, ProgressCallback, Stage

FOLDER_VARIABLE = "SONGLOOM_TAGGER_FOLDER"
"""Names a folder that holds the files already, for machines without a network."""
MODEL = "Discogs-EffNet"
LICENCE = "CC BY-NC-SA 4.0"
SITE = "https://essentia.upf.edu/models"
_BLOCK = 1 << 18
_TIMEOUT = 30.0  # seconds without an answer


@dataclass(frozen=True)
class PublishedFile:
    """A file, as it is published."""

    folder: str
    name: str
    size: int
    """Bytes."""
    sha256: str


_ENCODER = "feature-extractors/discogs-effnet"
_HEADS = "classification-heads"
FILES = (
    PublishedFile(
        _ENCODER,
        "discogs-effnet-bsdynamic-1.onnx",
        18_027_718,
        "a280825b334797cf677939db8cd5762c0392aedd0ca6415dbc1cd083f045e43c",
    ),
    PublishedFile(
        _ENCODER,
        "discogs-effnet-bsdynamic-1.json",
        14_986,
        "a2e85b2e7372d5f8e0f35bdd6aeae1139f101087d183d0b2fb60b0ea0f01a0ff",
    ),
    PublishedFile(
        f"{_HEADS}/mtg_jamendo_moodtheme",
        "mtg_jamendo_moodtheme-discogs-effnet-1.onnx",
        2_739_322,
        "7d6270acaa5f4bba4b115a0d6849aca05ed6bd153dcb6d9da4f6ab9f99ef10ff",
    ),
    PublishedFile(
        f"{_HEADS}/mtg_jamendo_moodtheme",
        "mtg_jamendo_moodtheme-discogs-effnet-1.json",
        3_646,
        "d62cd90263e4d613fa7fcce7a831e339450394794af63685f96e065c1a896ab0",
    ),
    PublishedFile(
        f"{_HEADS}/mtg_jamendo_instrument",
        "mtg_jamendo_instrument-discogs-effnet-1.onnx",
        2_706_492,
        "9ae2d9e763d66bd8eed654d1ac3aa171e6539cb8a0e11f3dcd53df1428980802",
    ),
    PublishedFile(
        f"{_HEADS}/mtg_jamendo_instrument",
        "mtg_jamendo_instrument-discogs-effnet-1.json",
        3_382,
        "7d02204c6451b5615e2968ec6364bbae3b915c886e608f05f00d3a38dc5177c4",
    ),
)


def tagger_folder(on_event: ProgressCallback | None = None) -> Path:
    """The folder that holds all of `FILES`; fetches what is missing, once.

    The folder that `SONGLOOM_TAGGER_FOLDER` names is taken as it is; else it is
    `downloads/discogs-effnet` in the user's folder.

    Raises:
        ModelError: a file is missing from the named folder, can't be fetched or kept, or differs
            from the published one.
    """
    chosen = os.environ.get(FOLDER_VARIABLE, "").strip()
    if chosen:
        folder = Path(chosen).expanduser()
        for file in FILES:
            if not (folder / file.name).is_file():
                raise ModelError(
                    f"{FOLDER_VARIABLE} is {chosen!r}, which has no {file.name}; put the files of "
                    f"{MODEL} there (from {SITE}), or unset it so that they are downloaded"
                )
        return folder
    folder = home() / "downloads" / "discogs-effnet"
    missing = [file for file in FILES if not _is_whole(folder / file.name, file)]
    if missing:
        _fetch_all(missing, folder, on_event)
    return folder


def _is_whole(path: Path, file: PublishedFile) -> bool:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _fetch_all(files: list[PublishedFile], folder: Path, on_event: ProgressCallback | None) -> None:
    report: ProgressCallback = on_event or (lambda event: None)
    report(
        Stage(
            f"downloading {MODEL} (by the Music Technology Group, Universitat Pompeu Fabra; "
            f"licence {LICENCE}: not for commercial use)"
        )
    )
    total, before = sum(file.size for file in files), 0
    for file in files:

        def report_bytes(done: int, before: int = before) -> None:
            report(DownloadProgress(MODEL, before + done, total))

        _fetch(file, folder, report_bytes)
        before += file.size


def _fetch(file: PublishedFile, folder: Path, report: Callable[[int], None]) -> None:
    address = f"{SITE}/{file.folder}/{file.name}"
    temporary = folder / f".{secrets.token_hex(8)}.part"
    digest, done = hashlib.sha256(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(address, timeout=_TIMEOUT) as answer,
            temporary.open("xb") as target,
        ):
            # A larger file than the published one is a wrong one: no need to read it all.
            while done <= file.size and (block := answer.read(_BLOCK)):
                target.write(block)
                digest.update(block)
                done += len(block)
                report(min(done, file.size))
        if digest.hexdigest() != file.sha256:
            raise ModelError(
                f"{address} is not the file that was expected: its SHA-256 is "
                f"{digest.hexdigest()} ({done} bytes), not {file.sha256} ({file.size} bytes); try "
                f"again, or get the right one and set {FOLDER_VARIABLE} to its folder"
            )
        shutil.move(temporary, folder / file.name)
    except (OSError, HTTPException, ValueError) as error:  # urllib's own errors are OSErrors
        cause = str(error).strip().rstrip(".") or type(error).__name__
        raise ModelError(
            f"{file.name} of {MODEL} (licence: {LICENCE}) can't be fetched from {address} to "
            f"{folder}: {cause}. Connect to the internet once; or set {FOLDER_VARIABLE} to a "
            "folder that holds the model's files; or label without a tagger"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
