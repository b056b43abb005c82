"""The server's parts, put together once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from songloom.checkpoints.home import unpacked_folder
from songloom.clock import utc_now
from songloom.jobs.dispatcher import Dispatcher
from songloom.jobs.messages import Executor
from songloom.jobs.paths import (
    database_url,
    datasets_folder,
    files_folder,
    jobs_folder,
    weights_folder,
)
from songloom.jobs.retention import Retention
from songloom.jobs.store.store import Store
from songloom.jobs.trash import Trash
from songloom.server.datasets.analysis import DatasetAnalysis, Ear, ProcessEar
from songloom.server.datasets.estimates import Estimator
from songloom.server.datasets.fidelity import FidelityMeter
from songloom.server.datasets.store import DatasetStore
from songloom.server.files.addresses import FetchRules
from songloom.server.files.fetch import Fetcher
from songloom.server.files.outputs import Uploader
from songloom.server.files.uploads import FileFolder
from songloom.server.http.auth import Tokens
from songloom.server.http.metrics import Metrics
from songloom.server.http.signing import Signer
from songloom.server.inputs.inputs import Resolver
from songloom.server.inputs.model_index import ModelIndex
from songloom.server.processes.downloads import Downloads
from songloom.server.processes.sounds import Sounds
from songloom.server.webhooks import WebhookSender, render_delivery
from songloom.settings import ServeSettings, split_list


@dataclass(frozen=True)
class Services:
    """The server's parts, which routes work with."""

    settings: ServeSettings
    store: Store
    executor: Executor
    dispatcher: Dispatcher
    models: ModelIndex
    files: FileFolder
    fetcher: Fetcher
    signer: Signer
    sender: WebhookSender
    metrics: Metrics
    retention: Retention
    tokens: Tokens
    trash: Trash
    sounds: Sounds
    downloads: Downloads
    datasets: DatasetStore
    analysis: DatasetAnalysis
    estimator: Estimator
    fidelity: FidelityMeter
    started_at: datetime = field(default_factory=utc_now)
    stop: Callable[[], None] = lambda: None
    """Ends the server as a signal would."""
    awaited: set[str] = field(default_factory=set)
    """Ids of jobs that a request of the Cog surface makes, or has made, and waits for."""


def open_services(
    settings: ServeSettings,
    executor: Executor,
    devices: tuple[str, ...],
    stop: Callable[[], None] = lambda: None,
    ear: Ear | None = None,
) -> Services:
    """Open the store and build everything on it; `Services.store` is to be closed afterwards.

    Args:
        settings: of the server.
        executor: runs the work.
        devices: that the executor computes on.
        stop: ends the server as a signal would.
        ear: listens to songs; None is a process of its own.

    Raises:
        OutputError: folders or the database can't be written.
    """
    store = Store(database_url(settings))
    files = FileFolder(files_folder(settings))
    fetcher = Fetcher(
        FetchRules(
            hosts=split_list(settings.fetch_hosts),
            private_hosts=split_list(settings.private_hosts),
            max_bytes=int(settings.max_file_mb * 1e6),
            seconds=settings.fetch_seconds,
        )
    )
    signer = Signer.from_store(store)
    models = ModelIndex(store, settings)
    jobs = jobs_folder(settings)
    datasets = DatasetStore(datasets_folder(settings))
    resolver = Resolver(settings, store, models, fetcher, files, datasets, signer, jobs)
    owed = asyncio.Event()
    dispatcher = Dispatcher(
        store,
        executor,
        resolver.prepare,
        jobs,
        publish=Uploader(fetcher).upload,
        devices=devices,
        attempts=settings.attempts,
        queue_limit=settings.queue_limit,
        owner=settings.owner,
        on_owed=owed.set,
    )
    trash = Trash(store, dispatcher.folder)
    sender = WebhookSender(
        store, fetcher, signer, render_delivery(settings, signer, models, jobs), owed
    )
    return Services(
        settings=settings,
        store=store,
        executor=executor,
        dispatcher=dispatcher,
        models=models,
        files=files,
        fetcher=fetcher,
        signer=signer,
        sender=sender,
        metrics=Metrics(store, dispatcher),
        retention=Retention(
            store,
            jobs,
            dispatcher.folder,
            files.remove,
            files_folder(settings),
            caches=(weights_folder(settings), unpacked_folder()),
            unfinished=(jobs, datasets_folder(settings), weights_folder(settings)),
            keep_days=settings.keep_days,
            keep_bytes=None if settings.keep_gb is None else int(settings.keep_gb * 1e9),
            sweep_trash=trash.sweep,
        ),
        tokens=Tokens(store),
        trash=trash,
        sounds=Sounds(),
        downloads=Downloads(),
        datasets=datasets,
        analysis=DatasetAnalysis(datasets, ear or ProcessEar()),
        estimator=Estimator(settings, store),
        fidelity=FidelityMeter(),
        stop=stop,
    )
