"""What the server tells Prometheus."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.server.fakes import FakeExecutor
from tests.server.serving import Serving, serving
from tests.waiting import wait_until

BELLS = {"input": {"prompt": "bells"}}
ASYNC = {"Prefer": "respond-async"}


def measured(server: Serving) -> dict[tuple[str, ...], float]:
    """Values by the metric's name and its labels' values."""
    answer = server.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_happened(server: Serving) -> None:
    for prompt in ("bells", "bells", "fail"):
        server.client.post("/predictions", json={"input": {"prompt": prompt}})
    server.client.post("/predictions", json={"input": {"duration": "long"}})
    values = measured(server)
    assert values["songloom_jobs_ended_total", "prediction", "succeeded"] == 2
    assert values["songloom_jobs_ended_total", "prediction", "failed"] == 1
    for stage in ("queue", "run", "total"):
        assert values[f"songloom_{stage}_seconds_count", "prediction"] == 3
    total = values["songloom_total_seconds_sum", "prediction"]
    parts = [values[f"songloom_{stage}_seconds_sum", "prediction"] for stage in ("queue", "run")]
    assert abs(total - sum(parts)) < 1e-6
    assert values["songloom_http_requests_total", "/predictions", "200"] == 3
    assert values["songloom_http_requests_total", "/predictions", "422"] == 1


def test_cancelling_again_counts_once(server: Serving) -> None:
    server.client.put("/predictions/a", json={"input": {"prompt": "hang"}}, headers=ASYNC)
    server.client.post("/v1/predictions/a/cancel")
    server.ended("a")
    for _ in range(3):
        server.client.post("/v1/predictions/a/cancel")
    assert measured(server)["songloom_jobs_ended_total", "prediction", "canceled"] == 1


def test_what_there_is(tmp_path: Path) -> None:
    with serving(tmp_path, FakeExecutor(room=1)) as server:
        for _ in range(3):
            server.client.post("/predictions", json={"input": {"prompt": "hang"}}, headers=ASYNC)
        wait_until(lambda: measured(server)["songloom_jobs_running", "prediction"] == 1)
        values = measured(server)
        assert values["songloom_jobs_waiting", "prediction"] == 2
        assert values["songloom_jobs_waiting", "training"] == 0
        assert values[("songloom_webhooks_owed",)] == 0


def test_what_workers_measure(server: Serving) -> None:
    values = measured(server)
    assert values["songloom_steps_total", "cpu"] == 10
    assert values["songloom_tokens_total", "cpu"] == 80
    assert values["songloom_batch_rows", "cpu"] == 2
    assert values["songloom_worker_memory_bytes", "cpu"] == 1_000_000


def test_routes_are_counted_by_their_pattern(server: Serving) -> None:
    for id in ("a", "b"):
        server.client.get(f"/v1/predictions/{id}")
        server.client.get(f"/nothing/{id}")
    counted = {labels for labels in measured(server) if labels[0] == "songloom_http_requests_total"}
    assert ("songloom_http_requests_total", "/v1/predictions/{id}", "404") in counted
    # Paths that are no route have one name: otherwise anyone could fill the memory with them.
    assert not any(label.startswith("/nothing") for labels in counted for label in labels)
    assert measured(server)["songloom_http_requests_total", "/v1/predictions/{id}", "404"] == 2
