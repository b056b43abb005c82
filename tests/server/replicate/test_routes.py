"""Routes of /v1, in one process: what is answered, and with which status."""

import base64
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from songloom.jobs.store.records import Version
from songloom.server import streams
from songloom.server.inputs.model_index import ORIGINAL_IDS
from songloom.server.replicate.jobs import LONGEST_LISTED
from songloom.settings import ORIGINAL
from tests.server.fake_server import TrainingExecutor
from tests.server.fakes import FakeExecutor, write_tone
from tests.server.serving import Serving, serving
from tests.waiting import wait_until

WAIT = {"Prefer": "wait"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server for tests that do not mind what others leave there."""
    with serving(tmp_path_factory.mktemp("shared") / "server") as running:
        yield running


def made(server: Serving, prompt: str = "bells", **headers: str) -> dict[str, Any]:
    """A prediction, as the server answers that it was made."""
    body = {"version": "songloom/nano", "input": {"prompt": prompt}}
    response = server.client.post("/v1/predictions", json=body, headers=headers)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """A refusal, which is always a problem in JSON."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"]
    return body


def test_a_prediction_is_made_at_once_and_can_be_asked_for(server: Serving) -> None:
    answer = made(server)
    assert answer["status"] == "starting"
    ended = server.ended(answer["id"])
    assert ended.status == "succeeded"
    shown = server.client.get(answer["urls"]["get"]).json()
    assert shown["status"] == "succeeded"
    assert shown["logs"].startswith(f"seed {ended.seed}\n")
    assert {"predict_time", "total_time"} <= shown["metrics"].keys()
    sound = server.client.get(shown["output"])
    assert sound.headers["content-type"] == "audio/wav"
    assert sound.headers["x-content-type-options"] == "nosniff"
    assert sound.headers["content-disposition"] == 'attachment; filename="output.wav"'
    assert sound.content[:4] == b"RIFF"
    part = server.client.get(shown["output"], headers={"Range": "bytes=8-11"})
    assert (part.status_code, part.content) == (206, b"WAVE")
    assert server.client.head(shown["output"]).headers["content-length"] == str(len(sound.content))


def test_a_client_can_wait_for_the_result(shared: Serving) -> None:
    answer = made(shared, **WAIT)
    assert answer["status"] == "succeeded"
    assert answer["output"].startswith("http://localhost/v1/outputs/")


def test_when_the_wait_is_over_the_status_is_starting_whatever_it_is(shared: Serving) -> None:
    began = time.monotonic()
    answer = made(shared, "hang", Prefer="wait=0.3")
    assert time.monotonic() - began > 0.25
    assert answer["status"] == "starting"
    assert shared.once(answer["id"], "processing").status == "processing"


def test_the_longest_wait_is_the_server_s(tmp_path: Path) -> None:
    with serving(tmp_path / "server", wait_seconds=0.2) as server:
        assert made(server, "hang", Prefer="wait=60")["status"] == "starting"


@pytest.mark.parametrize(
    "reference",
    [
        "songloom/nano",
        "nano",
        ORIGINAL,
        f"{ORIGINAL}:{ORIGINAL_IDS[0]}",
        ORIGINAL_IDS[1],
    ],
)
def test_a_version_is_named_in_many_ways(shared: Serving, reference: str) -> None:
    body = {"version": reference, "input": {"prompt": "bells"}}
    answer = shared.client.post("/v1/predictions", json=body, headers=WAIT).json()
    assert answer["status"] == "succeeded"
    assert answer["model"] == (ORIGINAL if "nano" not in reference else "songloom/nano")
    assert shared.executor.submitted[-1].model == "nano"


def test_a_model_s_latest_version_runs_by_the_model_s_name(shared: Serving) -> None:
    body = {"input": {"prompt": "bells"}}
    answer = shared.client.post(
        "/v1/models/songloom/nano/predictions", json=body, headers=WAIT
    ).json()
    assert (answer["status"], answer["model"]) == ("succeeded", "songloom/nano")
    refused = shared.client.post("/v1/models/me/none/predictions", json=body)
    assert "there is no model 'me/none'" in problem(refused, 404)["detail"]


def test_several_takes_are_a_list(shared: Serving) -> None:
    body = {"version": "nano", "input": {"prompt": "bells", "count": 3}}
    output = shared.client.post("/v1/predictions", json=body, headers=WAIT).json()["output"]
    assert len(output) == 3
    assert all(shared.client.get(url).status_code == 200 for url in output)


def test_a_failing_prediction_says_why(shared: Serving) -> None:
    answer = made(shared, "fail", **WAIT)
    assert (answer["status"], answer["output"]) == ("failed", None)
    assert answer["error"].startswith("prompt is 'fail'")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "version"),
        ({"version": "nobody/nothing"}, "version"),
        ({"version": "nano", "input": {"prompt": [3]}}, "input.prompt"),
        ({"version": "nano", "input": {"prompt": "a", "duration": -1}}, "input.duration"),
        ({"version": "nano", "input": {"prompt": "a", "input_audio": "/etc/passwd"}},
         "input.input_audio"),
        ({"version": "nano", "input": []}, "input"),
        ({"version": "nano", "input": {"prompt": "a"}, "webhook": "ftp://a/b"}, "webhook"),
        ({"version": "nano", "input": {"prompt": "a"}, "webhook": "http://10.0.0.1/"}, "webhook"),
        ({"version": "nano", "input": {"prompt": "a"}, "webhook_completed": "http://10.0.0.1/"},
         "webhook_completed"),
        ({"version": "nano", "input": {"prompt": "a"}, "webhook_events_filter": ["all"]},
         "webhook_events_filter.0"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_named(shared: Serving, body: Any, field: str) -> None:
    told = problem(shared.client.post("/v1/predictions", json=body), 422)
    assert [each["field"] for each in told["invalid_fields"]] == [field]
    assert field.split(".")[1 if field.startswith("input.") else 0] in told["detail"]


def test_a_body_that_is_no_json_is_refused(shared: Serving) -> None:
    headers = {"Content-Type": "application/json"}
    response = shared.client.post("/v1/predictions", content=b'{"version": ', headers=headers)
    assert "not JSON" in problem(response, 422)["detail"]
    response = shared.client.post("/v1/predictions", json=None, headers=headers)
    assert problem(response, 422)["invalid_fields"]


def test_null_is_as_good_as_nothing(shared: Serving) -> None:
    nothing = dict.fromkeys(["webhook", "webhook_completed", "webhook_events_filter", "stream"])
    body = {"version": "nano", "input": {"prompt": "bells", "seed": None}, **nothing}
    response = shared.client.post("/v1/predictions", json=body, headers=WAIT)
    assert response.json()["status"] == "succeeded"


def test_what_does_not_exist_is_a_problem_that_says_where_to_look(shared: Serving) -> None:
    for path in ("/v1/predictions/none", "/v1/trainings/none", "/v1/files/none", "/v1/models/a/b"):
        listed = path.rpartition("/")[0].removesuffix("/a")
        assert f"GET {listed} lists" in problem(shared.client.get(path), 404)["detail"]
    for path in ("/v1/collections", "/v1/predictions/none/events", "/v1/outputs/a/b"):
        problem(shared.client.get(path), 404)
    assert problem(shared.client.put("/v1/predictions"), 405)["title"] == "Method Not Allowed"


def test_a_training_is_no_prediction(shared: Serving) -> None:
    id = made(shared)["id"]
    problem(shared.client.get(f"/v1/trainings/{id}"), 404)
    problem(shared.client.post(f"/v1/trainings/{id}/cancel"), 404)


def test_cancelling(shared: Serving) -> None:
    id = made(shared, "hang")["id"]
    shared.once(id, "processing")
    response = shared.client.post(f"/v1/predictions/{id}/cancel")
    assert (response.status_code, response.json()["id"]) == (200, id)
    assert shared.ended(id).status == "canceled"
    again = shared.client.post(f"/v1/predictions/{id}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "canceled")
    done = made(shared, **WAIT)["id"]
    assert shared.client.post(f"/v1/predictions/{done}/cancel").json()["status"] == "succeeded"
    problem(shared.client.post("/v1/predictions/none/cancel"), 404)


def test_giving_up_after_a_while(shared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = shared.client.post(
        "/v1/predictions",
        json={"version": "nano", "input": {"prompt": "a"}},
        headers={"Cancel-After": "2s"},
    )
    assert problem(refused, 422)["invalid_fields"][0]["field"] == "Cancel-After"
    monkeypatch.setattr("songloom.server.http.headers.LEAST_CANCEL_AFTER", 0.1)
    id = made(shared, "hang", **{"Cancel-After": "0.2s"})["id"]
    assert shared.ended(id).status == "canceled"


def test_a_full_queue_is_429(tmp_path: Path) -> None:
    with serving(tmp_path / "server", FakeExecutor(room=0), queue_limit=1) as server:
        made(server)
        body = {"version": "nano", "input": {"prompt": "bells"}}
        response = server.client.post("/v1/predictions", json=body)
        problem(response, 429)
        assert int(response.headers["retry-after"]) > 0


def test_lists_in_pages(server: Serving) -> None:
    ids = [made(server, **WAIT)["id"] for _ in range(5)]
    page = server.client.get("/v1/predictions?limit=2").json()
    found = []
    while True:
        found += [job["id"] for job in page["results"]]
        if page["next"] is None:
            break
        assert page["next"].startswith("http://localhost/v1/predictions?")
        page = server.client.get(page["next"]).json()
    assert found == ids[::-1]
    back = server.client.get(page["previous"]).json()
    assert [job["id"] for job in back["results"]] == ids[1:3][::-1]
    then = server.job(ids[2]).created_at.isoformat()
    after = server.client.get("/v1/predictions", params={"created_after": then}).json()
    assert [job["id"] for job in after["results"]] == ids[2:][::-1]
    naive = then.removesuffix("+00:00")
    before = server.client.get("/v1/predictions", params={"created_before": naive}).json()
    assert [job["id"] for job in before["results"]] == ids[:2][::-1]
    problem(server.client.get("/v1/predictions?limit=0"), 422)
    problem(server.client.get(f"/v1/predictions?before={2**70}"), 422)


def test_a_list_has_the_end_of_a_long_log(server: Serving) -> None:
    id = made(server, "hang")["id"]
    server.once(id, "processing")
    server.services.store.log(id, "word " * 10_000 + "the end")
    [job] = server.client.get("/v1/predictions").json()["results"]
    assert len(job["logs"]) == LONGEST_LISTED
    assert job["logs"].endswith("the end")
    assert len(server.client.get(f"/v1/predictions/{id}").json()["logs"]) > 50_000


def test_a_file_inside_a_request_is_shown_as_a_url(shared: Serving, tmp_path: Path) -> None:
    tune = write_tone(tmp_path / "tune.wav").read_bytes()
    url = f"data:audio/wav;base64,{base64.b64encode(tune).decode()}"
    body = {"version": "nano", "input": {"prompt": "bells", "input_audio": url}}
    answer = shared.client.post("/v1/predictions", json=body, headers=WAIT).json()
    assert answer["status"] == "succeeded"
    shown = answer["input"]["input_audio"]
    assert shown.startswith(f"http://localhost/v1/outputs/{answer['id']}/input-input_audio?")
    given = shared.client.get(shown)
    assert given.content == tune
    assert given.headers["content-type"] == "application/octet-stream"
    # It can be sent back, as whoever runs a prediction again does.
    again = shared.client.post(
        "/v1/predictions",
        json={"version": "nano", "input": answer["input"]},
        headers=WAIT,
    ).json()
    assert (again["status"], again["error"]) == ("succeeded", None)
    problem(shared.client.get(f"/v1/outputs/{answer['id']}/input-prompt"), 404)
    problem(shared.client.get(f"/v1/outputs/{answer['id']}/..%2Foutput.wav"), 404)


def events_of(text: str) -> list[tuple[str, str]]:
    """Names and data of the events of a stream."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], lines["data"]))
    return found


def test_events_of_a_prediction(shared: Serving) -> None:
    answer = made(shared, "slow")
    response = shared.client.get(answer["urls"]["events"])
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    told = events_of(response.text)
    names = [name for name, _ in told]
    assert names[0] == names[-1] == "status"
    assert "progress" in names
    assert '"status": "succeeded"' in told[-1][1]
    # A browser connects again when a stream ends, until it is told not to.
    late = shared.client.get(answer["urls"]["events"])
    assert [name for name, _ in events_of(late.text)] == ["status"]
    back = shared.client.get(answer["urls"]["events"], headers={"Last-Event-ID": "9"})
    assert back.status_code == 204


def test_events_in_the_clients_words(shared: Serving) -> None:
    answer = made(shared, "bells")
    told = events_of(shared.client.get(answer["urls"]["stream"]).text)
    assert [name for name, _ in told if name != "logs"] == ["output", "done"]
    assert told[-2][1].startswith("http://localhost/v1/outputs/")


def test_silence_is_broken_by_comments(shared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.02)
    answer = made(shared, "hang")
    shared.once(answer["id"], "processing")
    stop = threading.Timer(
        0.3, lambda: shared.client.post(f"/v1/predictions/{answer['id']}/cancel")
    )
    stop.start()
    text = shared.client.get(answer["urls"]["events"]).text
    stop.join()
    assert ": ping" in text
    assert '"status": "canceled"' in text


def test_a_prediction_is_heard_while_it_is_generated(server: Serving) -> None:
    answer = made(server, "slow")
    heard = server.client.get(answer["urls"]["audio"])
    assert heard.headers["content-type"] == "audio/mpeg"
    assert heard.content == b"\xff\xfb" + bytes(1000)
    assert server.executor.listened == [answer["id"]]
    # Once it has ended, there is its result.
    ended = server.ended(answer["id"])
    assert ended.status == "succeeded"
    whole = server.client.get(answer["urls"]["audio"], headers={"Range": "bytes=0-3"})
    assert (whole.status_code, whole.content) == (206, b"RIFF")


def test_ranges_of_what_is_still_generated(server: Serving) -> None:
    """As Safari asks: for two bytes first, and for nothing more where it does not get them."""
    answer = made(server, "hang")
    id, url = answer["id"], answer["urls"]["audio"]
    wait_until(lambda: id in server.executor.hanging)  # it writes no stream of its own any more
    head = server.client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["accept-ranges"] == "bytes"
    assert head.headers["content-type"] == "audio/mpeg"
    stream = server.services.dispatcher.folder(id) / "stream.mp3"
    stream.write_bytes(b"\xff\xfb" + bytes(range(100)))

    def part(wanted: str, **headers: str) -> Any:
        return server.client.get(url, headers={"Range": wanted, **headers})

    two = part("bytes=0-1")
    assert (two.status_code, two.content) == (206, b"\xff\xfb")
    assert two.headers["content-range"] == "bytes 0-1/*"
    assert two.headers["content-length"] == "2"
    some = part("bytes=2-5")
    assert (some.content, some.headers["content-range"]) == (bytes(range(4)), "bytes 2-5/*")
    tag = two.headers["etag"]
    server.client.post(f"/v1/predictions/{id}/cancel")
    server.ended(id)
    # Whoever had begun with the stream goes on with it, not with another file.
    rest = part("bytes=100-", **{"If-Range": tag})
    assert (rest.status_code, rest.content) == (206, bytes([98, 99]))
    assert rest.headers["content-range"] == "bytes 100-101/102"


def test_a_prediction_without_audio_says_so(
    shared: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = made(shared, "fail", **WAIT)
    refused = problem(shared.client.get(failed["urls"]["audio"]), 410)
    assert "is failed and has no audio" in refused["detail"]

    # Asked for before the end, when there is nothing to hear yet and never will be.
    async def deaf(id: str) -> None:
        pass

    monkeypatch.setattr(shared.services.dispatcher, "listen", deaf)
    failing = made(shared, "fail")
    problem(shared.client.get(failing["urls"]["audio"]), 410)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server whose trainings leave models behind."""
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path))
    with serving(tmp_path / "server", TrainingExecutor()) as running:
        yield running


def train(server: Serving, **body: Any) -> httpx.Response:
    version = server.client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    songs = "data:application/zip;base64,UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="
    return server.client.post(
        f"/v1/models/songloom/nano/versions/{version}/trainings",
        json={"destination": "me/waltz", "input": {"dataset_path": songs}} | body,
    )


def test_a_training_becomes_a_version_that_runs(trained: Serving) -> None:
    response = train(trained)
    assert response.status_code == 201, response.text
    training = response.json()
    assert (training["status"], training["model"]) == ("starting", "songloom/nano")
    assert training["destination"] == "me/waltz"
    assert trained.ended(training["id"]).status == "succeeded"
    shown = trained.client.get(training["urls"]["get"]).json()
    named, _, id = shown["output"]["version"].partition(":")
    assert (named, len(id)) == ("me/waltz", 64)
    weights = trained.client.get(shown["output"]["weights"])
    assert weights.headers["content-type"] == "application/x-tar"
    model = trained.client.get("/v1/models/me/waltz").json()
    assert (model["visibility"], model["latest_version"]["id"]) == ("private", id)
    assert "Input" in model["latest_version"]["openapi_schema"]["components"]["schemas"]
    versions = trained.client.get("/v1/models/me/waltz/versions").json()["results"]
    assert [version["id"] for version in versions] == [id]
    assert trained.client.get(f"/v1/models/me/waltz/versions/{id}").json()["id"] == id
    for reference in ("me/waltz", f"me/waltz:{id}", id):
        body = {"version": reference, "input": {"prompt": "bells"}}
        answer = trained.client.post("/v1/predictions", json=body, headers=WAIT).json()
        assert (answer["status"], answer["model"]) == ("succeeded", "me/waltz")
        assert trained.executor.submitted[-1].model == "waltz"
    listed = [model["name"] for model in trained.client.get("/v1/models").json()["results"]]
    assert listed[:2] == ["waltz", "nano"]
    found = trained.client.request("QUERY", "/v1/models", content="me WALTZ").json()["results"]
    assert [model["name"] for model in found] == ["waltz"]
    assert trained.client.get("/v1/trainings").json()["results"][0]["id"] == training["id"]


def test_a_version_is_removed_for_good(trained: Serving) -> None:
    training = train(trained).json()
    trained.ended(training["id"])
    id = trained.client.get("/v1/models/me/waltz").json()["latest_version"]["id"]
    path = f"/v1/models/me/waltz/versions/{id}"
    told = problem(trained.client.delete("/v1/models/me/waltz"), 409)
    assert path in told["detail"]
    body = {"version": id, "input": {"prompt": "hang"}}
    running = trained.client.post("/v1/predictions", json=body).json()["id"]
    problem(trained.client.delete(path), 409)
    trained.client.post(f"/v1/predictions/{running}/cancel")
    trained.ended(running)
    assert trained.client.delete(path).status_code == 204
    problem(trained.client.get(path), 404)
    problem(trained.client.get("/v1/models/me/waltz"), 404)
    problem(trained.client.delete(path), 404)


def test_models_that_were_not_trained_here_stay(shared: Serving) -> None:
    for title in ("songloom/nano", ORIGINAL):
        id = shared.client.get(f"/v1/models/{title}").json()["latest_version"]["id"]
        problem(shared.client.delete(f"/v1/models/{title}/versions/{id}"), 403)


@pytest.mark.parametrize(
    "destination", ["waltz", "me/", "/waltz", "me/a/b", "me/..", "songloom/nano", "m e/x", "me/é"]
)
def test_a_bad_destination_is_404(shared: Serving, destination: str) -> None:
    told = problem(train(shared, destination=destination), 404)
    assert told["detail"].startswith("destination is ")


def test_a_training_needs_destination_data_and_a_version(shared: Serving) -> None:
    told = problem(train(shared, destination=None), 422)
    assert told["invalid_fields"][0]["field"] == "destination"
    told = problem(train(shared, input={}), 422)
    assert told["invalid_fields"][0]["field"] == "input.dataset_path"
    problem(shared.client.post("/v1/models/songloom/nano/versions/9/trainings", json={}), 404)
    body = {"destination": "me/waltz", "input": {}}
    problem(shared.client.post("/v1/models/songloom/nano/versions/9/trainings", json=body), 404)
    problem(shared.client.post("/v1/models/me/none/versions/9/trainings", json=body), 404)


def test_the_original_is_trained_as_its_model_version_says(shared: Serving) -> None:
    path = f"/v1/models/{ORIGINAL}/versions/{ORIGINAL_IDS[0]}/trainings"
    songs = "data:application/zip;base64,UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="
    for given, trains in (({}, "stereo-melody"), ({"model_version": "small"}, "small")):
        body = {"destination": "me/waltz", "input": {"dataset_path": songs, **given}}
        training = shared.client.post(path, json=body).json()
        assert training["model"] == ORIGINAL
        assert shared.job(training["id"]).model == trains


def test_a_model_is_made_by_its_first_version(shared: Serving) -> None:
    body = {"owner": "me", "name": "waltz", "visibility": "private", "hardware": "cpu"}
    response = shared.client.post("/v1/models", json=body)
    assert response.status_code == 201
    assert (response.json()["latest_version"], response.json()["url"]) == (
        None,
        "http://localhost/v1/models/me/waltz",
    )
    problem(shared.client.post("/v1/models", json=body | {"owner": "songloom"}), 404)
    problem(shared.client.post("/v1/models", json={"owner": "me"}), 422)
    problem(shared.client.post("/v1/models", json=dict(zip(("owner", "name"), ORIGINAL.split("/"),
                                                          strict=True))), 409)  # fmt: skip


def test_files(server: Serving, tmp_path: Path) -> None:
    tune = write_tone(tmp_path / "tune.wav").read_bytes()
    response = server.client.post(
        "/v1/files",
        files={"content": ("my tune.wav", io.BytesIO(tune), "audio/wav")},
        data={"metadata": '{"kind": "tune"}'},
    )
    assert response.status_code == 201, response.text
    file = response.json()
    assert (file["name"], file["content_type"], file["size"]) == (
        "my tune.wav",
        "audio/wav",
        len(tune),
    )
    assert file["metadata"] == {"kind": "tune"}
    assert server.client.get(file["urls"]["get"]).json() == file
    assert server.client.get("/v1/files").json()["results"] == [file]
    whole = server.client.get(file["urls"]["download"])
    assert whole.content == tune
    assert whole.headers["content-disposition"].startswith("attachment; ")
    body = {"version": "nano", "input": {"prompt": "a", "input_audio": file["urls"]["get"]}}
    answer = server.client.post("/v1/predictions", json=body, headers=WAIT).json()
    assert (answer["status"], answer["error"]) == ("succeeded", None)
    taken = Path(str(server.executor.submitted[-1].request["input_audio"]))
    assert taken.read_bytes() == tune
    assert server.client.delete(f"/v1/files/{file['id']}").status_code == 204
    problem(server.client.get(file["urls"]["get"]), 404)
    problem(server.client.get(file["urls"]["download"]), 404)
    assert taken.read_bytes() == tune


def test_a_form_without_a_file_is_refused(shared: Serving) -> None:
    told = problem(shared.client.post("/v1/files", data={"metadata": "{}"}), 422)
    assert "multipart/form-data" in told["detail"]
    form = {"other": ("a.wav", b"a", "audio/wav")}
    assert (
        "content is missing" in problem(shared.client.post("/v1/files", files=form), 422)["detail"]
    )
    bad = shared.client.post(
        "/v1/files", files={"content": ("a.wav", b"a")}, data={"metadata": "["}
    )
    assert problem(bad, 422)["invalid_fields"][0]["field"] == "metadata"
    assert shared.client.get("/v1/files").json()["results"] == []


def test_files_that_can_t_be_remembered_leave_nothing(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    from songloom.errors import OutputError

    def full(file: Any) -> None:
        raise OutputError("the disk is full; free some room")

    monkeypatch.setattr(server.services.store, "add_file", full)
    form = {"content": ("a.wav", b"a", "audio/wav")}
    assert problem(server.client.post("/v1/files", files=form), 507)["detail"].startswith(
        "the disk"
    )
    folder = server.services.files.path("a").parent
    assert list(folder.iterdir()) == []


def test_the_account_and_the_secret(shared: Serving) -> None:
    account = shared.client.get("/v1/account").json()
    assert (account["type"], account["username"]) == ("user", "me")
    assert shared.client.get("/v1/hardware").json() == [{"sku": "cpu", "name": "cpu"}]
    key = shared.client.get("/v1/webhooks/default/secret").json()["key"]
    assert key.startswith("whsec_")
    assert key.count("_") == 1


def test_what_is_removed_by_age_is_gone_from_answers(shared: Serving) -> None:
    answer = made(shared, **WAIT)
    shared.services.store.remove_data(answer["id"])
    shown = shared.client.get(answer["urls"]["get"]).json()
    assert (shown["data_removed"], shown["input"], shown["output"]) == (True, {}, None)
    problem(shared.client.get(answer["output"]), 404)


def test_with_tokens_signed_urls_need_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGLOOM_TOKENS", "app:secret")
    headers = {"Authorization": "Bearer secret"}
    with serving(tmp_path / "server") as server:
        server.client.headers.update(headers)
        answer = made(server, **WAIT)
        server.client.headers.pop("authorization")
        problem(server.client.get(answer["urls"]["get"]), 401)
        for url in (answer["output"], answer["urls"]["events"], answer["urls"]["audio"]):
            assert server.client.get(url).status_code == 200
            problem(server.client.get(url[:-4]), 401)


def test_urls_begin_with_what_clients_reach_the_server_by(tmp_path: Path) -> None:
    with serving(
        tmp_path / "server", public_url="https://music.example/api/", allow_anonymous=True
    ) as server:
        made(server)
        answer = made(server, **WAIT)
        assert answer["output"].startswith("https://music.example/api/v1/outputs/")
        page = server.client.get("/v1/predictions?limit=1").json()
        assert page["next"].startswith("https://music.example/api/v1/predictions?")


def test_a_version_of_the_same_model_stays_when_another_goes(trained: Serving) -> None:
    trained.ended(train(trained).json()["id"])
    trained.services.store.add_version(Version("ef" * 32, "me", "waltz", "waltz", "t2"))
    assert trained.client.delete(f"/v1/models/me/waltz/versions/{'ef' * 32}").status_code == 204
    assert trained.client.get("/v1/models/me/waltz").status_code == 200


def test_a_mistake_of_the_server_s_is_a_problem_without_its_message(
    server: Serving, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def wrong(id: str) -> None:
        raise RuntimeError("a secret of the database")

    monkeypatch.setattr(server.services.store, "job", wrong)
    told = problem(server.client.get("/v1/predictions/any"), 500)
    assert "secret" not in str(told)
    assert "its log" in told["detail"]
