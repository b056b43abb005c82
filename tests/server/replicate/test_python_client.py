"""Replicate's official Python client, as it is, drives a server over TCP."""

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest
import replicate
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate
from replicate.prediction import Prediction
from replicate.webhook import Webhooks, WebhookSigningSecret

from songloom.settings import ORIGINAL
from tests.server.clients import ALIAS, TOKEN, sound_at, told
from tests.server.server_process import Hook
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow


def test_run_with_a_file(url: str, client: replicate.Client, tune: Path) -> None:
    with tune.open("rb") as file:
        output = client.run("songloom/nano", input={"prompt": "bells", "input_audio": file})
    assert sound_at(output)[:4] == b"RIFF"
    newest = client.predictions.list().results[0]
    assert newest.input is not None
    assert newest.input["input_audio"].startswith(f"{url}/v1/files/")
    with tune.open("rb") as file:
        inline = client.run(
            "songloom/nano",
            input={"prompt": "bells", "input_audio": file},
            file_encoding_strategy="base64",
        )
    assert sound_at(inline)[:4] == b"RIFF"


def test_run_what_the_code_names_that_ran_on_the_original(client: replicate.Client) -> None:
    assert sound_at(client.run(ALIAS, input={"prompt": "bells"}))[:4] == b"RIFF"
    assert client.predictions.list().results[0].model == ORIGINAL


def test_run_several_takes_and_asynchronously(client: replicate.Client) -> None:
    output = client.run("songloom/nano", input={"prompt": "bells", "count": 2})
    assert [sound_at(url)[:4] for url in output] == [b"RIFF", b"RIFF"]

    async def run() -> object:
        found = await client.async_run(ALIAS, input={"prompt": "bells"})
        await client._async_client.aclose()
        return found

    assert sound_at(asyncio.run(run()))[:4] == b"RIFF"


def test_failures_are_raised(url: str, client: replicate.Client) -> None:
    with pytest.raises(ModelError, match="prompt is 'fail'"):
        client.run("songloom/nano", input={"prompt": "fail"})
    with pytest.raises(ReplicateError) as refused:
        client.run("songloom/nano", input={"prompt": "bells", "top_p": 7})
    assert (refused.value.status, refused.value.title) == (422, "Unprocessable Entity")
    assert str(refused.value.detail).startswith("top_p is 7")
    with pytest.raises(ReplicateError, match="no model 'me/none'"):
        client.run("me/none", input={"prompt": "bells"})
    stranger = replicate.Client(api_token="wrong", base_url=url)
    with pytest.raises(ReplicateError, match="wrong token"):
        stranger.models.list()
    stranger._client.close()


def test_a_wait_that_is_too_short_is_no_empty_result(client: replicate.Client) -> None:
    output = client.run("songloom/nano", input={"prompt": "slow"}, wait=1)
    assert sound_at(output)[:4] == b"RIFF"


def test_create_follow_and_cancel(client: replicate.Client) -> None:
    prediction = client.predictions.create(version=ALIAS, input={"prompt": "hang"})
    assert prediction.status == "starting"
    ends = time.monotonic() + PATIENCE
    while prediction.progress is None or prediction.progress.current < 50:
        assert time.monotonic() < ends
        prediction.reload()
        # The fake has come to the half, of which the log tells now and then.
        if prediction.progress is not None and prediction.status == "processing":
            break
    assert prediction.progress is not None
    assert prediction.progress.total == 100
    prediction.cancel()
    prediction.wait()
    assert (prediction.status, prediction.output) == ("canceled", None)


def test_list_and_paginate(url: str, client: replicate.Client) -> None:
    made = [client.run("songloom/nano", input={"prompt": f"take {i}"}) for i in range(3)]
    assert len(made) == 3
    first = httpx.get(
        f"{url}/v1/predictions?limit=2",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ).json()
    pages = [*paginate(lambda cursor: client.predictions.list(
        first["next"] if cursor is ... else cursor))]  # fmt: skip
    found = [each["id"] for each in first["results"]] + [job.id for page in pages for job in page]
    everything = [job.id for page in paginate(client.predictions.list) for job in page]
    assert found == everything
    assert all(isinstance(job, Prediction) for page in pages for job in page)


def test_train_and_run_what_was_trained(client: replicate.Client, songs: Path) -> None:
    model = client.models.create("me", "waltz", visibility="private", hardware="cpu")
    with songs.open("rb") as file:
        training = client.trainings.create(
            version=ALIAS,
            input={"dataset_path": file, "model_version": "small", "epochs": 1},
            destination=f"{model.owner}/{model.name}",
        )
    while training.status not in ("succeeded", "failed", "canceled"):
        time.sleep(0.05)
        training.reload()
    assert (training.status, training.error) == ("succeeded", None)
    assert training.output is not None
    assert sound_at(training.output["weights"]).startswith(b"weights of ")
    model = client.models.get("me/waltz")
    assert model.latest_version is not None
    assert training.output["version"] == f"me/waltz:{model.latest_version.id}"
    assert [each.id for each in model.versions.list()] == [model.latest_version.id]
    for reference in ("me/waltz", training.output["version"], model, model.latest_version):
        assert sound_at(client.run(reference, input={"prompt": "bells"}))[:4] == b"RIFF"
        assert client.predictions.list().results[0].model == "me/waltz"
    assert client.trainings.list().results[0].id == training.id
    assert "me/waltz" in [each.id for each in client.models.search("waltz")]
    assert model.versions.delete(model.latest_version.id)
    with pytest.raises(ReplicateError, match="no model"):
        client.models.get("me/waltz")


def test_a_training_can_be_cancelled(client: replicate.Client, songs: Path) -> None:
    training = client.trainings.create(
        model=("songloom", "nano"),
        version=client.models.get("songloom/nano").latest_version.id,  # type: ignore[union-attr]
        input={"dataset_path": songs, "one_same_description": "hang"},
        destination="me/unfinished",
    )
    training.cancel()
    while training.status not in ("succeeded", "failed", "canceled"):
        time.sleep(0.05)
        training.reload()
    assert training.status == "canceled"


def test_files(client: replicate.Client, tune: Path) -> None:
    file = client.files.create(tune, metadata={"kind": "tune"})
    assert (file.name, file.size, file.metadata) == (
        "tune.wav",
        tune.stat().st_size,
        {"kind": "tune"},
    )
    assert client.files.get(file.id) == file
    assert file in client.files.list()
    assert sound_at(file.urls["download"]) == tune.read_bytes()
    assert client.files.delete(file.id)
    with pytest.raises(ReplicateError, match="there is no file"):
        client.files.get(file.id)


def test_webhooks_are_signed(client: replicate.Client, hook: Hook) -> None:
    prediction = client.predictions.create(
        version=ALIAS,
        input={"prompt": "bells"},
        webhook=hook.url,
        webhook_events_filter=["start", "completed"],
    )
    headers, body = told(hook, "succeeded")
    payload = json.loads(body)
    assert payload["id"] == prediction.id
    assert sound_at(payload["output"])[:4] == b"RIFF"
    secret = client.webhooks.default.secret()
    Webhooks.validate(headers=headers, body=body, secret=secret, tolerance=60)
    with pytest.raises(ValueError, match="signature is invalid"):
        Webhooks.validate(headers=headers, body=body.replace("bells", "drums"), secret=secret)
    with pytest.raises(ValueError, match="signature is invalid"):
        Webhooks.validate(headers=headers, body=body, secret=WebhookSigningSecret(key="whsec_AAAA"))


def test_stream(client: replicate.Client) -> None:
    told = [(str(event.event.value), event.data)
            for event in client.stream("songloom/nano", input={"prompt": "bells"})]  # fmt: skip
    assert [name for name, _ in told if name != "logs"] == ["output", "done"]
    assert sound_at(told[-2][1])[:4] == b"RIFF"


def test_the_account(client: replicate.Client) -> None:
    assert client.accounts.current().username == "me"
    assert [each.sku for each in client.hardware.list()] == ["cpu"]
    assert "songloom/nano" in [model.id for model in client.models.list()]
