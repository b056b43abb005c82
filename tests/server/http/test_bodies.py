"""Bodies that can't be taken are answered with what to send instead, on both surfaces."""

from typing import Any

import pytest

from tests.server.serving import Serving

JSON = {"content-type": "application/json"}
URLS = ("/v1/predictions", "/predictions")


def refused(server: Serving, url: str, body: bytes, headers: dict[str, str]) -> Any:
    answer = server.client.post(url, content=body, headers=headers)
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    return detail if isinstance(detail, str) else detail[0]["msg"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    ("kind", "came"),
    [
        ("application/x-www-form-urlencoded", "'application/x-www-form-urlencoded' by its header"),
        ("text/plain; charset=utf-8", "'text/plain' by its header"),
        ("", "has no header"),
    ],
)
def test_json_that_is_not_called_so(server: Serving, url: str, kind: str, came: str) -> None:
    """`curl -d` says that it is a form; a page of a stranger could do that without being asked."""
    headers = {"content-type": kind} if kind else {}
    told = refused(server, url, b'{"version": "nano", "input": {"prompt": "x"}}', headers)
    assert came in told
    assert "-H 'Content-Type: application/json'" in told


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"input": {"prompt": "x",}}', "line 1, column 26"),
        (b'{\n "input": {]}', "line 2, column 12"),
        (b"{'input': {}}", "double quotes"),
        (b'{"input": ', "it ends too early"),
        (b"[1]", "is a list, but must be an object"),
        (b'"text"', "is a text, but must be an object"),
    ],
)
def test_json_that_is_broken(server: Serving, url: str, body: bytes, told: str) -> None:
    said = refused(server, url, body, JSON)
    assert told in said
    assert said.startswith("the body is ")


@pytest.mark.parametrize("url", URLS)
def test_text_in_another_coding(server: Serving, url: str) -> None:
    answer = server.client.post(url, content='{"a": "é"}'.encode("latin-1"), headers=JSON)
    assert answer.status_code == 400
    assert "UTF-8" in answer.json()["detail"]
