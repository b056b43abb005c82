"""A whole server in this process: real store, real routes, an executor that only pretends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from songloom.jobs.store.records import Job
from songloom.server.app import make_app
from songloom.server.services import Services, open_services
from songloom.settings import ServeSettings
from tests.server.fakes import FakeEar, FakeExecutor
from tests.waiting import PATIENCE, wait_until

HOST = "http://localhost"
"""What an open server on this machine may be called."""


@dataclass
class Serving:
    """A server that runs, and a client of it."""

    client: TestClient
    services: Services
    executor: FakeExecutor
    stops: list[None]
    """Grows each time that the server is told to stop."""

    def job(self, id: str) -> Job:
        """A job that there is."""
        job = self.services.store.job(id)
        assert job is not None
        return job

    def ended(self, id: str) -> Job:
        """A job once it has ended."""
        return self.once(id, "succeeded", "failed", "canceled")

    def once(self, id: str, *statuses: str) -> Job:
        """A job once it has one of these statuses."""
        until = time.monotonic() + PATIENCE
        while (job := self.job(id)).status not in statuses:
            assert time.monotonic() < until, f"{id} is still {job.status}"
            time.sleep(0.005)
        return job


@contextmanager
def serving(
    folder: Path, executor: FakeExecutor | None = None, *, ready: bool = True, **settings: Any
) -> Iterator[Serving]:
    """Run a server whose files lie in `folder`; once it is ready, unless it never will be."""
    stops: list[None] = []
    executor = executor or FakeExecutor()
    chosen = ServeSettings(**{"folder": folder, "drain_seconds": 0.0} | settings)
    services = open_services(chosen, executor, ("cpu",), lambda: stops.append(None), FakeEar())
    try:
        app = make_app(services)
        with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
            if ready:
                wait_until(lambda: services.dispatcher.ready)
            yield Serving(client, services, executor, stops)
    finally:
        services.store.close()
