"""Weights that requests bring along, kept by what is in them.

Two files of the same name are two models, whatever their URLs look like, so nothing but the content
tells them apart. What a URL led to is remembered with what the other end calls that content: it is
asked each time whether that is still so, and the file is not fetched again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections import OrderedDict
from pathlib import Path

from songloom.checkpoints.packed import is_packed
from songloom.server.files.copies import link
from songloom.server.files.fetch import Fetcher
from songloom.server.files.given_files import INPUTS, GivenFiles

FIELD = "replicate_weights"
PACKED, FINE_TUNED = "weights.tar", "trained_model.tar"
"""Names of a packed model, and of what the original fine-tuner hands out."""
_MOST_REMEMBERED = 1000


class WeightsFolder:
    """Gets weights from URLs.

    Args:
        fetcher: asks whether a URL still leads to the same.
        files: gets them when it does not.
        folder: that has a folder for each content, under its digest.
    """

    def __init__(self, fetcher: Fetcher, files: GivenFiles, folder: Path) -> None:
        self._fetcher, self._files, self._folder = fetcher, files, folder
        self._known: OrderedDict[str, tuple[str, Path]] = OrderedDict()  # by URL

    async def get(self, url: str, job: Path) -> Path:
        """Where the weights behind a URL are; the same for the same content.

        Args:
            url: http, https or data; or one of the server's own.
            job: the job's folder, on the same disk; it has them as well from then on.

        Raises:
            FetchError: they can't be fetched, or may not be.
            OSError: the disk refuses.
        """
        etag, kept = self._known.get(url, ("", self._folder))
        if etag and kept.is_file() and await self._fetcher.is_unchanged(url, etag):
            await asyncio.to_thread(_use_again, kept, job)
            return kept
        file = await self._files.get(url, job, FIELD)
        kept = await asyncio.to_thread(keep_weights, file.path, self._folder)
        if file.etag:
            self._known[url] = (file.etag, kept)
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return kept


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
    _link_whole(file, kept)
    return kept


def _use_again(kept: Path, job: Path) -> None:
    os.utime(kept.parent)
    there = job / INPUTS / FIELD / kept.name
    if not there.is_file():
        _link_whole(kept, there)


def _link_whole(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{secrets.token_hex(8)}")
    link(source, temporary)
    temporary.replace(target)
