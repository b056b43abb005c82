"""The OpenAPI document of the whole server and the page that shows it."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.python.asgi import HOST, shutdown_lifespans
from schemathesis.schemas import BaseSchema

from songloom.server.app import make_app
from songloom.server.inputs.schema import cog_document
from songloom.server.services import open_services
from songloom.settings import ServeSettings
from tests.server.fakes import FakeExecutor
from tests.server.serving import Serving
from tests.waiting import PATIENCE, wait_until

EXAMPLES = 4
"""Requests to each operation, of those that make sense and of those that do not."""
ENDLESS = ("/v1/checkpoints/events",)
"""Streams that end with the server; `studio/test_checkpoints.py` reads them."""


def test_cogs_document_is_part_of_it(server: Serving) -> None:
    whole, cog = server.client.get("/openapi.json").json(), cog_document()
    assert whole["openapi"] == cog["openapi"] == "3.0.2"
    for path, operations in cog["paths"].items():
        assert whole["paths"][path] == operations
    for name, schema in cog["components"]["schemas"].items():
        assert whole["components"]["schemas"][name] == schema


def test_all_of_v1_is_in_it(server: Serving) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    for path in ("/v1/predictions", "/v1/trainings", "/v1/files", "/v1/models", "/v1/account"):
        assert path in paths
    ids = [op["operationId"] for operations in paths.values() for op in operations.values()]
    assert len(ids) == len(set(ids))


def test_references_lead_somewhere(server: Serving) -> None:
    document = server.client.get("/openapi.json").json()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        found = document
        for part in reference.split("/"):
            found = found[part]


def test_several_may_ask_for_the_document_first(server: Serving) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.client.get("/openapi.json"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_the_page_cannot_be_framed(server: Serving) -> None:
    headers = server.client.get("/docs").headers
    assert headers["content-security-policy"] == "frame-ancestors 'none'"
    assert headers["x-frame-options"] == "DENY"


def test_the_page_needs_no_internet(server: Serving) -> None:
    page = server.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "songloom" in page.text
    assert "/openapi.json" in page.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) >= 2
    for asset in assets:
        assert asset.startswith("/")
        answer = server.client.get(asset)
        assert answer.status_code == 200
        assert len(answer.content) > 100


@pytest.fixture
def described(tmp_path: Path) -> Iterator[BaseSchema]:
    """The server's own description, of a server that reaches nothing outside."""
    chosen = ServeSettings(
        folder=tmp_path,
        public_url=f"http://{HOST}",
        allow_anonymous=True,
        fetch_hosts="files.example",
        queue_limit=10_000,
    )
    services = open_services(chosen, FakeExecutor(room=64), ("cpu",))
    try:
        schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(services))
        wait_until(lambda: services.dispatcher.ready)
        yield schema
        shutdown_lifespans()
    finally:
        services.store.close()


def test_it_is_valid(described: BaseSchema) -> None:
    described.validate()


@pytest.mark.parametrize(
    ("mode", "least"),
    [(GenerationMode.POSITIVE, 30), (GenerationMode.NEGATIVE, 10)],
)
def test_no_request_is_answered_by_a_fault_of_ours(
    described: BaseSchema, mode: GenerationMode, least: int
) -> None:
    described_operations = (result.ok() for result in described.get_all_operations())
    operations = [each for each in described_operations if each.path not in ENDLESS]
    if mode is GenerationMode.NEGATIVE:  # of a path, nothing is wrong: it only leads nowhere
        operations = [each for each in operations if list(each.body) or list(each.query)]
    assert len(operations) >= least
    for operation in operations:
        attempt(operation, mode)


def attempt(operation: Any, mode: GenerationMode) -> None:
    """Send requests to an operation."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call(timeout=PATIENCE)
        assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text}"
        if case.path.startswith("/v1") and answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"]

    send()
