"""Results that are uploaded to where a Cog client, or the setting `upload_url`, wants them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from songloom.jobs.store.records import Job
from songloom.server.files.fetch import Fetcher


class Uploader:
    """Uploads by PUT, as Cog does: the prefix, and right behind it the file's name."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def upload(self, job: Job, folder: Path, output: Mapping[str, Any]) -> dict[str, Any]:
        """Upload a job's results where they are to be; its output, with their URLs.

        Raises:
            FetchError: the other end can't be reached, or does not take them.
        """
        if not job.output_prefix:
            return dict(output)
        urls = []
        for name in output["files"]:
            url = f"{job.output_prefix}{quote(name)}"
            urls.append(await self._fetcher.put(url, folder / name))
        return dict(output) | {"urls": urls}
