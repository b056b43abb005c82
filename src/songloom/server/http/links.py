"""The URLs in answers: absolute, as clients reach the server; those of files signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from songloom.jobs.store.records import Job

GIVEN = "input-"
"""How the name of a result begins that is really one of the job's inputs."""


@dataclass(frozen=True)
class Links:
    """Makes the URLs of one answer, or of a webhook."""

    base: str
    """The server's URL as clients know it, without a slash at its end."""
    sign: Callable[[str], str]
    """Adds to a path what lets it be fetched without a token for a while."""

    def absolute_url(self, path: str) -> str:
        """The URL of a path."""
        return self.base + path

    def signed_url(self, path: str) -> str:
        """The URL of a path, to be fetched without a token: clients send none for files."""
        return self.base + self.sign(path)

    def model_url(self, owner: str, name: str) -> str:
        """The URL of a model."""
        return self.absolute_url(f"/v1/models/{quote(owner, safe='')}/{quote(name, safe='')}")

    def job_urls(self, job: Job) -> dict[str, str]:
        """A job's own URLs, by the names that clients know them by.

        `stream` speaks the words of the official clients, `events` tells more; a prediction can be
        heard at `audio` while it is generated.
        """
        path = f"/v1/{job.kind}s/{quote(job.id, safe='')}"
        urls = {
            "get": self.absolute_url(path),
            "cancel": self.absolute_url(f"{path}/cancel"),
            "web": self.absolute_url(f"/#{path.removeprefix('/v1')}"),
            "events": self.signed_url(f"{path}/events"),
            "stream": self.signed_url(f"{path}/stream"),
        }
        if job.kind == "prediction":
            urls["audio"] = self.signed_url(f"{path}/audio")
        return urls

    def output_url(self, job: Job, name: str) -> str:
        """The URL of a job's result."""
        return self.signed_url(f"/v1/outputs/{quote(job.id, safe='')}/{quote(name, safe='')}")

    def given_url(self, job: Job, field: str) -> str:
        """The URL of a file that a job's input holds as a `data:` URL."""
        return self.output_url(job, f"{GIVEN}{field}")

    def file_urls(self, id: str) -> dict[str, str]:
        """An uploaded file's own URLs; clients pass `get` as an input."""
        path = f"/v1/files/{quote(id, safe='')}"
        return {"get": self.absolute_url(path), "download": self.signed_url(f"{path}/download")}
