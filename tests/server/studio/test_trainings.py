"""What trainings tell beyond Replicate's surface, and how they go on."""

import json
from typing import Any

import pytest

from songloom.finetuning.history import COMPARISON, Preview, TrainingHistory
from songloom.jobs.messages import Work
from tests.server.serving import Serving
from tests.waiting import wait_until

WAV = "data:audio/wav;base64,UklGRiQAAABXQVZF"


def train(server: Serving, words: str = "", **input: Any) -> str:
    version = server.client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    given = {"dataset_path": WAV, "one_same_description": words or None} | input
    response = server.client.post(
        f"/v1/models/songloom/nano/versions/{version}/trainings",
        json={"destination": "me/style", "input": given},
    )
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def submitted(server: Serving, count: int) -> Work:
    """The work that was begun last, once so many were."""
    wait_until(lambda: len(server.executor.submitted) >= count)
    return server.executor.submitted[-1]


def notes(server: Serving, id: str) -> TrainingHistory:
    return TrainingHistory(server.services.dispatcher.folder(id))


def get(server: Serving, id: str, what: str) -> Any:
    return server.client.get(f"/v1/trainings/{id}/{what}").json()


def test_a_training_that_was_stopped_goes_on_as_the_same(server: Serving) -> None:
    id = train(server, "hang", epochs=2)
    first = submitted(server, 1)
    server.client.post(f"/v1/trainings/{id}/cancel")
    assert server.ended(id).status == "canceled"
    resumed = server.client.post(f"/v1/trainings/{id}/resume")
    assert resumed.status_code == 200
    job = resumed.json()
    assert (job["id"], job["status"], job["completed_at"]) == (id, "starting", None)
    again = submitted(server, 2)
    assert (again.id, again.request) == (first.id, first.request)  # its songs and its name, too
    refused = server.client.post(f"/v1/trainings/{id}/resume")
    assert refused.status_code == 409
    server.client.post(f"/v1/trainings/{id}/cancel")
    assert server.ended(id).status == "canceled"


def test_a_training_that_failed_can_be_tried_again(server: Serving) -> None:
    id = train(server, "fail")
    assert server.ended(id).error
    assert server.client.post(f"/v1/trainings/{id}/resume").json()["error"] is None
    submitted(server, 2)
    assert server.ended(id).status == "failed"


def test_what_can_t_go_on_says_why(server: Serving) -> None:
    id = train(server)
    server.ended(id)
    refused = server.client.post(f"/v1/trainings/{id}/resume")
    assert refused.status_code == 409
    assert "it is succeeded" in refused.json()["detail"]
    removed = train(server, "fail")
    server.ended(removed)
    server.services.store.remove_data(removed)
    refused = server.client.post(f"/v1/trainings/{removed}/resume")
    assert "its songs were removed" in refused.json()["detail"]
    binned = train(server, "fail")
    server.ended(binned)
    server.client.delete(f"/v1/library/{binned}")
    refused = server.client.post(f"/v1/trainings/{binned}/resume")
    assert "restore it first" in refused.json()["detail"]
    assert server.client.post("/v1/trainings/unknown/resume").status_code == 404


def test_the_curve_is_told_while_it_learns(server: Serving) -> None:
    id = train(server, "hang", epochs=2, updates_per_epoch=50)
    submitted(server, 1)
    assert get(server, id, "curve") == {"points": [], "held_out": [], "steps": 100}
    notes(server, id).add_update(1, 4.5, 0.25)
    notes(server, id).add_validation(1, 5.0)
    curve = get(server, id, "curve")
    assert curve["points"] == [{"step": 1, "loss": 4.5, "learning_rate": 0.25}]
    assert curve["held_out"] == [{"step": 1, "loss": 5.0}]
    server.client.post(f"/v1/trainings/{id}/cancel")
    assert get(server, train(server), "curve")["steps"] == 300


def test_clips_on_the_way_can_be_heard(server: Serving) -> None:
    id = train(server, "hang")
    submitted(server, 1)
    folder = server.services.dispatcher.folder(id)
    (folder / "preview-000010.mp3").write_bytes(b"0123456789")
    (folder / "secret.mp3").write_bytes(b"-")
    notes(server, id).add_preview(Preview(10, "a waltz", "preview-000010.mp3"))
    [clip] = get(server, id, "previews")["results"]
    assert (clip["step"], clip["prompt"]) == (10, "a waltz")
    part = server.client.get(clip["url"], headers={"Range": "bytes=2-4"})
    assert (part.content, part.headers["content-type"]) == (b"234", "audio/mpeg")
    for name in ("secret.mp3", "..%2Fsecret.mp3", "curve.jsonl"):
        assert server.client.get(f"/v1/trainings/{id}/files/{name}").status_code == 404
    server.client.post(f"/v1/trainings/{id}/cancel")


def test_what_came_of_it_can_be_compared(server: Serving) -> None:
    id = train(server)
    server.ended(id)
    missing = server.client.get(f"/v1/trainings/{id}/comparison")
    assert missing.status_code == 404
    folder = server.services.dispatcher.folder(id)
    (folder / "report.html").write_text("<p>Report")
    (folder / "after-1.mp3").write_bytes(b"after")
    clip = {"prompt": "a waltz", "seed": 1, "before": "before-1.mp3", "after": "after-1.mp3"}
    song = {"title": "Bells", "original": "song-original-1.mp3", "heard": "song-heard-1.mp3"}
    (folder / song["heard"]).write_bytes(b"heard")
    told = {"clips": [clip], "songs": [song],
            "held_out_loss_before": 5.0, "held_out_loss_after": 4.0,
            "memorisation": {"verdict": "clear"}}  # fmt: skip
    (folder / COMPARISON).write_text(json.dumps(told))
    found = get(server, id, "comparison")
    assert (found["held_out_loss_before"], found["held_out_loss_after"]) == (5.0, 4.0)
    assert found["memorisation"] == {"verdict": "clear"}
    [pair] = found["clips"]
    assert set(pair) == {"prompt", "before", "after"}
    assert "signature=" in pair["after"]
    assert server.client.get(pair["after"]).content == b"after"
    assert found["songs"][0]["title"] == "Bells"
    assert server.client.get(found["songs"][0]["heard"]).content == b"heard"
    report = server.client.get(found["report"])
    assert report.headers["content-type"].startswith("text/html")
    assert "sandbox" in report.headers["content-security-policy"]


@pytest.mark.parametrize("what", ["curve", "previews", "comparison"])
def test_a_prediction_is_no_training(server: Serving, what: str) -> None:
    job = server.client.post("/predictions", json={"input": {"prompt": "a"}}).json()
    assert server.client.get(f"/v1/trainings/{job['id']}/{what}").status_code == 404
