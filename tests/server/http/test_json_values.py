"""What is stored can be shown again: refused where it could not be, shown where it is there."""

import json
from typing import Any

import pytest

from songloom.jobs.store.records import Job, StoredFile
from songloom.server.http.json_values import DEEPEST, TOO_DEEP, can_be_kept, make_showable
from tests.server.serving import Serving


def nested(levels: int) -> Any:
    value: Any = "x"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (nested(DEEPEST), True),
        (nested(DEEPEST + 1), False),
        ({"a": ["ä", 1, 2.5, None, True]}, True),
        ("\ud83d\ude00", False),  # two halves, which are no whole character in Python
        ({"\udc00": 1}, False),
        ([float("inf")], False),
    ],
)
def test_what_can_be_kept(value: Any, kept: bool) -> None:
    assert can_be_kept(value) is kept
    shown = make_showable(value)
    assert json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()
    assert (shown == value) is kept


def test_what_an_earlier_server_kept_is_shown_as_far_as_it_can_be(server: Serving) -> None:
    bad = {"half": "a\ud800", "\udc00": 1, "deep": nested(300), "fine": {"b": [1, None, 2.5]}}
    store, client = server.services.store, server.client
    store.add_file(StoredFile("bad", "a.wav", "audio/wav", 1, "00", metadata=bad))
    job = Job("bad", "prediction", "replicate", {"prompt": "x"} | bad, "nano")
    store.add_job(job, limit=10)
    store.finish("bad", "failed", error="no")
    for url, field in (("/v1/files", "metadata"), ("/v1/predictions", "input")):
        answer = client.get(f"{url}/bad")
        assert answer.status_code == 200
        shown = answer.json()[field]
        assert (shown["half"], shown["\ufffd"], shown["fine"]) == ("a\ufffd", 1, bad["fine"])
        assert TOO_DEEP in json.dumps(shown["deep"])
        listed = client.get(url)
        assert [item["id"] for item in listed.json()["results"]] == ["bad"]
    again = client.put("/predictions/bad", json={"input": {"prompt": "x"}})
    assert (again.status_code, again.json()["input"]["half"]) == (200, "a\ufffd")
    for url in ("/v1/library", "/v1/library/bad", "/v1/storage", "/metrics"):
        assert client.get(url).status_code == 200


@pytest.mark.parametrize("metadata", ['{"a": "\\ud800"}', '{"a":' + "[" * 300 + "]" * 300 + "}"])
def test_what_could_not_be_shown_is_refused_and_leaves_nothing(
    server: Serving, metadata: str
) -> None:
    answer = server.client.post(
        "/v1/files", files={"content": ("a.wav", b"a")}, data={"metadata": metadata}
    )
    assert answer.status_code == 422
    assert "metadata is " in answer.json()["detail"]
    assert server.client.get("/v1/files").json()["results"] == []
