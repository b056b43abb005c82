"""The sender of webhooks: whatever the store owes is sent, in order, until it arrives or is stale.

What is owed is in the database, so a server that is killed sends it after its restart. A webhook
may so arrive twice; its id, which stays the same, tells.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from songloom.errors import FetchError, OutputError
from songloom.jobs.paths import job_folder
from songloom.jobs.store.records import Delivery
from songloom.jobs.store.store import Store
from songloom.server.files.addresses import RefusedError
from songloom.server.files.fetch import Fetcher
from songloom.server.http.links import Links
from songloom.server.http.signing import Signer
from songloom.server.inputs.model_index import ModelIndex
from songloom.server.render import cog
from songloom.server.render.replicate import render_job
from songloom.settings import ServeSettings

AT_ONCE = 16
"""Jobs whose webhooks are sent at the same time."""
SEND_SECONDS = 10.0
"""How long a receiver may take to answer."""
LOOK_SECONDS = 1.0
"""How often the store is asked although nobody said that something is owed: what an earlier server
put off falls due without a word, and a clock that jumps makes no difference to waiting."""
COG_FIRST, COG_TRIES, COG_LONGEST = 0.1, 12, 120.0
"""Cog's retries of `completed`: seconds before the first, how many, and the longest wait."""
COG_RETRIED = frozenset({429, 500, 502, 503, 504})
REPLICATE_FIRST, REPLICATE_TRIES = 1.0, 6
"""Replicate's, which end after about a minute: 1 + 2 + 4 + 8 + 16 + 32 seconds."""

_LOG = logging.getLogger(__name__)

Render = Callable[[Delivery], dict[str, Any]]


class WebhookSender:
    """Sends what the store owes: several jobs' webhooks at once, one job's in order.

    Args:
        store: knows what is owed.
        fetcher: sends it, under the same rules as any request to a URL of users.
        signer: signs it where the job came in by Replicate's API.
        render: makes the body; called in a thread, since it may read files.
        owed: is set whenever something may be owed.
    """

    def __init__(
        self, store: Store, fetcher: Fetcher, signer: Signer, render: Render, owed: asyncio.Event
    ) -> None:
        self._store, self._fetcher, self._signer = store, fetcher, signer
        self._render, self._owed = render, owed
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._settled: set[str] = set()
        """Jobs whose webhook was settled while the store was asked, which may not know it yet."""

    async def run(self) -> None:
        """Send, for ever."""
        try:
            while True:
                self._owed.clear()
                await self._begin()
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._owed.wait()
                except TimeoutError:
                    pass
        finally:
            sending = list(self._sending.values())
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    async def _begin(self) -> None:
        """Begin to send what is due, as far as there is room."""
        if len(self._sending) >= AT_ONCE:
            return
        self._settled.clear()
        try:
            # Of each job at most one is told, so those being sent can't hide the others.
            due = await asyncio.to_thread(self._store.due_deliveries, AT_ONCE)
        except OutputError as error:
            _LOG.warning("webhooks wait: %s", error)
            return
        for delivery in due:
            id = delivery.job.id
            if id not in self._sending and id not in self._settled and len(self._sending) < AT_ONCE:
                self._sending[id] = asyncio.create_task(self._send(delivery))

    async def _send(self, delivery: Delivery) -> None:
        try:
            wait = await self._try(delivery)
            if wait is None:
                await asyncio.to_thread(self._store.remove_delivery, delivery.id)
            else:
                await asyncio.to_thread(self._store.postpone, delivery.id, wait)
                asyncio.get_running_loop().call_later(wait, self._owed.set)
        except OutputError as error:
            _LOG.warning("a webhook of %s will be sent again: %s", delivery.job.id, error)
            await asyncio.sleep(LOOK_SECONDS)
        except Exception:  # a fault of ours must not go unseen, nor be tried without a pause
            _LOG.exception("a webhook of %s will be sent again", delivery.job.id)
            await asyncio.sleep(LOOK_SECONDS)
        finally:
            del self._sending[delivery.job.id]
            self._settled.add(delivery.job.id)
            self._owed.set()  # the job's next one may go

    async def _try(self, delivery: Delivery) -> float | None:
        """Send once.

        Returns:
            Seconds after which to try again; None where it arrived, or never will.

        Raises:
            OutputError: the database can't be read, which making the body may need.
        """
        job, event = delivery.job, delivery.event
        try:
            payload = await asyncio.to_thread(self._render, delivery)
            body = json.dumps(payload).encode()
        except OutputError:  # the database is away, which passes
            raise
        except Exception:  # a fault of ours, which no later try would mend
            _LOG.exception("the webhook %s of %s can't be made", event, job.id)
            return None
        headers = {"content-type": "application/json"}
        if job.surface == "replicate":
            headers |= self._signer.webhook_headers(webhook_id(delivery), body)
        try:
            status = await self._fetcher.post(job.webhook, body, headers, seconds=SEND_SECONDS)
        except RefusedError as error:
            _LOG.warning("the webhook %s of %s is not sent: %s", event, job.id, error)
            return None
        except FetchError as error:
            _LOG.warning("the webhook %s of %s did not arrive: %s", event, job.id, error)
            return _wait(delivery, None)
        if 200 <= status < 300:
            return None
        _LOG.warning("the webhook %s of %s was answered with %d", event, job.id, status)
        return _wait(delivery, status)


def webhook_id(delivery: Delivery) -> str:
    """An id that no other webhook has, and this one at every try, also after a restart."""
    named = f"{delivery.job.id}:{delivery.id}".encode()
    return f"msg_{hashlib.sha256(named).hexdigest()[:32]}"


def _wait(delivery: Delivery, status: int | None) -> float | None:
    """Seconds until the next try after one in vain; None where there is to be none.

    Args:
        delivery: what was tried.
        status: what the receiver answered; None where it did not.
    """
    if delivery.event != "completed":
        return None
    before = delivery.attempts
    if delivery.job.surface == "replicate":
        return REPLICATE_FIRST * 2.0**before if before < REPLICATE_TRIES else None
    if before >= COG_TRIES or (status is not None and status not in COG_RETRIED):
        return None
    return min(COG_FIRST * 2.0**before, COG_LONGEST)


def render_delivery(
    settings: ServeSettings, signer: Signer, models: ModelIndex, jobs: Path
) -> Render:
    """Make the renderer of webhooks' bodies: the job as it was, in the form of its own API.

    Args:
        settings: of the server.
        signer: signs the URLs of results.
        models: knows what models are called.
        jobs: the folder of the jobs' folders.
    """
    links = Links(base_url(settings), signer.sign)

    def render(delivery: Delivery) -> dict[str, Any]:
        job = delivery.job
        if job.surface == "cog":
            return cog.render(job, job_folder(jobs, job.id))
        return render_job(job, links, model=models.model_of(job))

    return render


def base_url(settings: ServeSettings) -> str:
    """The start of URLs that no request asked for, without a slash at its end."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
