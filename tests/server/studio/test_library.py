"""The library over HTTP."""

from pathlib import Path
from typing import Any

import pytest

from tests.server.serving import Serving, serving


def made(server: Serving, prompt: str = "warm piano", **given: Any) -> str:
    """A prediction that has ended; its id."""
    body = {"version": "songloom/nano", "input": {"prompt": prompt, "duration": 1, **given}}
    id = str(server.client.post("/v1/predictions", json=body).json()["id"])
    server.ended(id)
    return id


def trained(server: Serving) -> str:
    url = "/v1/models/songloom/nano/versions/{}/trainings"
    version = server.client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    given = {"dataset_path": "data:application/zip;base64,UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}
    body = {"destination": "me/my-style", "input": given}
    answer = server.client.post(url.format(version), json=body)
    assert answer.status_code == 201, answer.text
    id = str(answer.json()["id"])
    server.ended(id)
    return id


def listed(server: Serving, **query: Any) -> list[str]:
    answer = server.client.get("/v1/library", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["results"]]


def test_an_item_says_all_that_a_page_shows(server: Serving) -> None:
    id = made(server, seed=7)
    item = server.client.get(f"/v1/library/{id}").json()
    assert (item["id"], item["kind"], item["status"]) == (id, "prediction", "succeeded")
    assert (item["title"], item["prompt"], item["favorite"]) == (None, "warm piano", False)
    assert (item["seed"], item["deleted_at"], item["error"]) == (7, None, None)
    assert item["model"] == "songloom/nano"
    assert item["input"] == {"prompt": "warm piano", "duration": 1, "seed": 7}
    assert set(item["urls"]) >= {"get", "cancel", "events", "audio"}
    (output,) = item["outputs"]
    assert output["name"] == "output.wav"
    assert output["seconds"] == 0.05
    assert set(output["downloads"]) == {"wav", "mp3", "flac"}
    assert server.client.get(output["url"]).content[:4] == b"RIFF"
    assert "logs" not in item
    assert server.client.get("/v1/library").json()["results"] == [item]


def test_a_training_is_an_item_as_well(server: Serving) -> None:
    id = trained(server)
    item = server.client.get(f"/v1/library/{id}").json()
    assert (item["kind"], item["destination"], item["prompt"]) == ("training", "me/my-style", "")
    (output,) = item["outputs"]
    assert output["name"] == "weights.tar"
    assert (output["seconds"], output["peaks"], output["downloads"]) == (None, None, {})
    assert listed(server, kind="training") == [id]
    assert listed(server, query="my-style") == [id]


def test_pages_lead_to_the_next(server: Serving) -> None:
    ids = [made(server, f"song {number}") for number in range(3)]
    first = server.client.get("/v1/library", params={"limit": 2}).json()
    assert [item["id"] for item in first["results"]] == ids[:0:-1]
    assert first["total"] == 3
    then = server.client.get("/v1/library", params={"limit": 2, "cursor": first["next"]}).json()
    assert [item["id"] for item in then["results"]] == ids[:1]
    assert (then["next"], then["total"]) == (None, 3)


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 501}, {"cursor": "x"}, {"cursor": "9" * 30}, {"kind": "song"},
     {"favorite": "perhaps"}, {"query": "x" * 1001}],
)  # fmt: skip
def test_questions_that_make_no_sense(server: Serving, query: dict[str, Any]) -> None:
    answer = server.client.get("/v1/library", params=query)
    assert answer.status_code == 422
    assert answer.json()["invalid_fields"][0]["field"] in query


def test_titles_and_favourites(server: Serving) -> None:
    id = made(server)
    other = made(server, "drums")
    url = f"/v1/library/{id}"
    changed = server.client.patch(url, json={"title": "  Morning \n song ", "favorite": True})
    assert (changed.json()["title"], changed.json()["favorite"]) == ("Morning song", True)
    assert listed(server, query="morning") == listed(server, favorite=True) == [id]
    assert listed(server, favorite=False) == [other]
    only = server.client.patch(url, json={"favorite": False}).json()
    assert (only["title"], only["favorite"]) == ("Morning song", False)
    for nothing in (None, "", "  "):
        server.client.patch(url, json={"title": "x"})
        assert server.client.patch(url, json={"title": nothing}).json()["title"] is None


@pytest.mark.parametrize(
    "body", [{"title": 5}, {"title": "x" * 201}, {"favorite": None}, {"favourite": True}, []]
)
def test_changes_that_make_no_sense(server: Serving, body: Any) -> None:
    assert server.client.patch(f"/v1/library/{made(server)}", json=body).status_code == 422


def test_into_the_bin_and_back(server: Serving) -> None:
    id = made(server)
    assert server.client.delete(f"/v1/library/{id}").status_code == 204
    assert listed(server) == []
    assert listed(server, deleted=True) == [id]
    assert server.client.get("/v1/predictions").json()["results"] == []
    item = server.client.get(f"/v1/library/{id}").json()
    assert item["deleted_at"] is not None
    assert server.client.get(item["outputs"][0]["url"]).status_code == 200
    restored = server.client.post(f"/v1/library/{id}/restore")
    assert restored.json()["deleted_at"] is None
    assert listed(server) == [id]


def test_what_runs_is_cancelled(server: Serving) -> None:
    body = {"version": "songloom/nano", "input": {"prompt": "hang"}}
    id = server.client.post("/v1/predictions", json=body).json()["id"]
    server.once(id, "processing")
    assert server.client.delete(f"/v1/library/{id}").status_code == 204
    assert server.ended(id).status == "canceled"
    assert listed(server, deleted=True) == [id]


def test_for_good(server: Serving) -> None:
    id = made(server)
    folder = server.services.dispatcher.folder(id)
    assert folder.is_dir()
    assert server.client.delete(f"/v1/library/{id}?forever=true").status_code == 204
    assert server.client.get(f"/v1/library/{id}").status_code == 404
    assert server.client.get(f"/v1/predictions/{id}").status_code == 404
    assert not folder.exists()


def test_for_good_while_it_runs(server: Serving) -> None:
    body = {"version": "songloom/nano", "input": {"prompt": "hang"}}
    id = server.client.post("/v1/predictions", json=body).json()["id"]
    server.once(id, "processing")
    assert server.client.delete(f"/v1/library/{id}?forever=true").status_code == 204
    assert server.client.get(f"/v1/library/{id}").status_code == 404


def test_emptying_the_bin(server: Serving) -> None:
    ids = [made(server) for _ in range(3)]
    for id in ids[:2]:
        server.client.delete(f"/v1/library/{id}")
    refused = server.client.delete("/v1/library")
    assert refused.status_code == 422
    assert "only the bin" in refused.json()["detail"]
    assert server.client.delete("/v1/library?deleted=true").status_code == 204
    assert listed(server, deleted=True) == []
    assert listed(server) == ids[2:]


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restore"), ("DELETE", "?forever=true")],
)
def test_what_there_is_not(server: Serving, method: str, url: str) -> None:
    body = {} if method == "PATCH" else None
    answer = server.client.request(method, f"/v1/library/nothing{url}", json=body)
    assert answer.status_code == 404
    assert "nothing with the id 'nothing'" in answer.json()["detail"]


def test_it_survives_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        liked, binned = made(server, "drums"), made(server)
        server.client.patch(f"/v1/library/{liked}", json={"title": "Mine", "favorite": True})
        server.client.delete(f"/v1/library/{binned}")
        before = server.client.get("/v1/library").json()
    with serving(tmp_path / "server") as server:
        assert server.client.get("/v1/library").json() == before
        assert listed(server, favorite=True, query="mine") == [liked]
        assert server.client.post(f"/v1/library/{binned}/restore").status_code == 200
        assert listed(server) == [binned, liked]
