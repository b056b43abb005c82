"""The server's own URLs as inputs: the file itself is taken, and no request made.

Clients pass a file's or a result's URL back. Whatever they reach the server by, its own are
recognised: by where the server says that it is, by its signature, or by the id of an upload.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from songloom.errors import FetchError
from songloom.jobs.paths import job_folder
from songloom.jobs.store.store import Store
from songloom.server.files.data_urls import is_data_url
from songloom.server.files.uploads import FileFolder
from songloom.server.http.links import GIVEN
from songloom.server.http.signing import Signer
from songloom.settings import ServeSettings

_UPLOAD = re.compile(r"/v1/files/([^/]+)(?:/download)?")
_DATASET = re.compile(r"/v1/datasets/([^/]+)")
_RESULT = re.compile(r"/v1/outputs/([^/]+)/([^/]+)")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class OwnFile:
    """A file of the server's."""

    path: Path
    name: str
    """Its owner's name for it; not fit for a path."""


@dataclass(frozen=True)
class OwnDataset:
    """A data set of the server's."""

    name: str
    """Its owner's name for it; not fit for a path."""
    copy: Callable[[Path], None]
    """Makes a folder of its songs as they are now, which then stays as it is."""


class NamedDataset(Protocol):
    """The part of a data set that matters here."""

    @property
    def name(self) -> str:
        """Its owner's name for it."""


class Datasets(Protocol):
    """The part of the data sets' store that finds the songs behind a URL."""

    def get(self, id: str) -> NamedDataset | None:
        """The data set of an id, None where there is none."""

    def copy(self, id: str, folder: Path) -> None:
        """Make a folder of a data set's songs as they are now."""


class OwnFiles:
    """Finds the files behind the server's own URLs.

    Args:
        settings: say where clients reach the server.
        store: knows uploads and jobs.
        files: the uploads.
        datasets: songs that were uploaded to train on.
        signer: made the URLs.
        jobs: folder of the jobs' folders.
    """

    def __init__(
        self,
        settings: ServeSettings,
        store: Store,
        files: FileFolder,
        datasets: Datasets,
        signer: Signer,
        jobs: Path,
    ) -> None:
        self._settings, self._store, self._files = settings, store, files
        self._datasets, self._signer, self._jobs = datasets, signer, jobs
        self._prefix = urlsplit(settings.public_url or "").path.rstrip("/")

    def find(self, url: str) -> OwnFile | OwnDataset | str | None:
        """The file, or the songs; another URL to go by in its place; None for others' URLs.

        Raises:
            FetchError: it is the server's, but the file is not there, or no more.
        """
        if is_data_url(url):
            return None
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            return None
        path = unquote(parts.path)
        here = self._is_here(parts)
        if here and self._prefix and path.startswith(f"{self._prefix}/"):
            path = path.removeprefix(self._prefix)
        upload, result = _UPLOAD.fullmatch(path), _RESULT.fullmatch(path)
        if upload is not None:
            return self._upload(upload[1], here)
        songs = _DATASET.fullmatch(path)
        if songs is not None:
            return self._dataset(songs[1], here)
        query = dict(parse_qsl(parts.query))
        if result is not None and (here or self._signer.is_valid(path, query)):
            return self._result(result[1], result[2])
        return None

    def _is_here(self, parts: SplitResult) -> bool:
        """Whether a URL leads to this server by its own knowledge."""
        try:
            port = parts.port or _PORTS[parts.scheme]
        except ValueError:  # beyond 65535
            return False
        if self._settings.public_url:
            public = urlsplit(self._settings.public_url)
            public_port = public.port or _PORTS[public.scheme]
            if (parts.hostname, port) == (public.hostname, public_port):
                return True
        hosts = {*_LOOPBACK, self._settings.host}
        return parts.hostname in hosts and port == self._settings.port

    def _upload(self, id: str, here: bool) -> OwnFile | None:
        file = self._store.file(id)
        if file is None:
            if here:
                raise _missing_error(f"upload {id!r}")
            return None
        path = self._files.path(file.id)
        if not path.is_file():
            raise _missing_error(f"upload {id!r}")
        return OwnFile(path, file.name)

    def _dataset(self, id: str, here: bool) -> OwnDataset | None:
        dataset = self._datasets.get(id)
        if dataset is None:
            if here:
                raise FetchError(
                    f"the data set {id!r} is not here, or no more; make one (POST /v1/datasets)"
                )
            return None
        return OwnDataset(dataset.name, lambda folder: self._datasets.copy(id, folder))

    def _result(self, id: str, name: str) -> OwnFile | str:
        job = self._store.job(id)
        if job is not None and name.startswith(GIVEN):
            given = job.input.get(name.removeprefix(GIVEN))
            if isinstance(given, str) and is_data_url(given):
                return given
        names = [] if job is None or job.output is None else job.output.get("files", ())
        path = job_folder(self._jobs, id) / name
        if name not in names or not path.is_file():
            raise _missing_error(f"result {name!r} of {id!r}")
        return OwnFile(path, name)


def _missing_error(what: str) -> FetchError:
    return FetchError(
        f"the {what} is not here, or no more: files are removed when they are old or room is "
        "short; upload it again (POST /v1/files)"
    )
