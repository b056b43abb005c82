"""Metrics of the server, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from songloom.clock import elapsed_seconds
from songloom.jobs.dispatcher import Dispatcher
from songloom.jobs.messages import WorkerStats
from songloom.jobs.store.records import KINDS, Job, Status
from songloom.jobs.store.store import Store

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)


class Metrics:
    """Counts what happens; what there is at a moment is asked for when it is read.

    Args:
        store: the jobs.
        dispatcher: that runs them; it is listened to from then on.
    """

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Now(store, dispatcher))
        registry = self._registry
        self._requests = Counter(
            "songloom_http_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self._jobs = Counter(
            "songloom_jobs_ended", "Jobs ended.", ["kind", "status"], registry=registry
        )
        self._waited = Histogram(
            "songloom_queue_seconds", "From acceptance to the beginning of the work.", ["kind"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._ran = Histogram(
            "songloom_run_seconds", "From the beginning of the work to its end.", ["kind"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._took = Histogram(
            "songloom_total_seconds", "From acceptance to the end.", ["kind"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._steps = Counter("songloom_steps", "Token steps.", ["device"], registry=registry)
        self._tokens = Counter(
            "songloom_tokens", "Token steps of all rows; a prediction with guidance has two rows.",
            ["device"], registry=registry,
        )  # fmt: skip
        dispatcher.on_ended.append(self._record_end)
        dispatcher.on_stats.append(self._record_stats)

    def record_answer(self, route: str, status: int) -> None:
        """Count an answer to a request; `route` is the pattern, not the path."""
        self._requests.labels(route, str(status)).inc()

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _record_end(self, job: Job) -> None:
        self._jobs.labels(job.kind, job.status).inc()
        if job.completed_at is None:
            return
        began = job.started_at or job.completed_at
        for histogram, start, end in (
            (self._waited, job.created_at, began),
            (self._ran, began, job.completed_at),
            (self._took, job.created_at, job.completed_at),
        ):
            histogram.labels(job.kind).observe(elapsed_seconds(start, end))

    def _record_stats(self, stats: WorkerStats) -> None:
        self._steps.labels(stats.device).inc(stats.steps)
        self._tokens.labels(stats.device).inc(stats.tokens)


class _Now(Collector):
    """Metrics that are read from the store when they are asked for."""

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store, self._dispatcher = store, dispatcher

    def describe(self) -> list[Metric]:
        return []  # registering must not ask the database

    def collect(self) -> Iterator[Metric]:
        counts = self._store.counts()
        states: tuple[tuple[str, Status, str], ...] = (
            ("songloom_jobs_waiting", "starting", "Jobs that wait."),
            ("songloom_jobs_running", "processing", "Jobs that run."),
        )
        for name, status, told in states:
            gauge = GaugeMetricFamily(name, told, labels=["kind"])
            for kind in KINDS:
                gauge.add_metric([kind], counts.get((kind, status), 0))
            yield gauge
        owed = self._store.count_deliveries()
        yield GaugeMetricFamily("songloom_webhooks_owed", "Webhooks not delivered yet.", value=owed)
        rows = GaugeMetricFamily("songloom_batch_rows", "Rows being decoded.", labels=["device"])
        memory = GaugeMetricFamily(
            "songloom_worker_memory_bytes", "Memory of a worker.", labels=["device"]
        )
        for device, stats in self._dispatcher.stats.items():
            rows.add_metric([device], stats.rows)
            memory.add_metric([device], stats.memory_bytes)
        yield rows
        yield memory
