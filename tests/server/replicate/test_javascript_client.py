"""Replicate's official JavaScript client, as it is, drives a server over TCP."""

from pathlib import Path

import pytest
import replicate

from songloom.server.inputs.model_index import ORIGINAL_IDS
from tests.server.clients import ALIAS, javascript, needs_javascript, sound_at, told
from tests.server.server_process import Hook

pytestmark = [pytest.mark.slow, needs_javascript]


def test_run_with_a_file(url: str, tune: Path) -> None:
    found = javascript(
        url, "run", ref="songloom/nano", input={"prompt": "bells"}, file=str(tune),
        field="input_audio",
    )  # fmt: skip
    [file] = found["files"]
    assert (file["status"], file["type"], file["head"]) == (200, "audio/wav", "RIFF")
    assert found["statuses"] == ["succeeded", "succeeded"]
    assert found["progress"] == {"percentage": 1, "current": 100, "total": 100}
    assert found["shown"]["input_audio"].startswith(f"{url}/v1/files/")


def test_run_by_alias_and_too_short_a_wait(url: str) -> None:
    found = javascript(
        url, "run", ref=ALIAS, input={"prompt": "slow"}, wait={"mode": "block", "timeout": 1}
    )
    assert found["statuses"][0] == "starting"
    assert found["statuses"][-1] == "succeeded"
    assert found["files"][0]["head"] == "RIFF"


def test_failures(url: str) -> None:
    failed = javascript(url, "refused", ref="songloom/nano", input={"prompt": "fail"})
    assert failed["error"].startswith("Prediction failed: prompt is 'fail'")
    refused = javascript(url, "refused", ref="songloom/nano", input={"prompt": "a", "top_p": 7})
    assert refused["status"] == 422
    assert "top_p is 7" in refused["error"]


def test_cancel(url: str) -> None:
    found = javascript(url, "cancel", model="songloom/nano", input={"prompt": "hang"})
    assert found == {"created": "starting", "canceled": True, "ended": "canceled"}


def test_list(url: str) -> None:
    made = javascript(url, "run", ref="songloom/nano", input={"prompt": "a"})["output"]
    pages = javascript(url, "list")
    assert pages[0][0] in made
    ids = [id for page in pages for id in page]
    assert len(ids) == len(set(ids))


def test_train(url: str, songs: Path) -> None:
    found = javascript(
        url, "train", owner="sakemin", name="musicgen-fine-tuner", version=ORIGINAL_IDS[0],
        destination="me/polka", file=str(songs), input={"model_version": "small"},
        run={"prompt": "bells"},
    )  # fmt: skip
    training = found["training"]
    assert (found["created"], training["status"]) == ("starting", "succeeded")
    assert training["output"]["version"] == f"me/polka:{found['latest']}"
    assert found["versions"] == [found["latest"]]
    assert found["trainings"][0] == training["id"]
    assert found["weights"]["head"] == "weig"
    assert found["latestOutput"]["head"] == found["versionOutput"]["head"] == "RIFF"


def test_files(url: str, tune: Path) -> None:
    found = javascript(url, "files", file=str(tune))
    assert found["created"]["size"] == tune.stat().st_size
    assert found["created"]["metadata"] == {"kind": "tune"}
    assert (found["same"], found["listed"], found["deleted"]) == (True, True, True)
    assert found["gone"]["status"] == 404


def test_webhook(url: str, client: replicate.Client, hook: Hook) -> None:
    client.predictions.create(version=ALIAS, input={"prompt": "bells"}, webhook=hook.url)
    headers, body = told(hook, "succeeded")
    lower = {name.lower(): value for name, value in headers.items()}
    found = javascript(url, "webhook", headers=lower, body=body)
    assert found == {"valid": True, "changed": False}


def test_stream(url: str) -> None:
    events = javascript(url, "stream", ref="songloom/nano", input={"prompt": "bells"})
    assert [each["event"] for each in events if each["event"] != "logs"] == ["output", "done"]
    assert sound_at(events[-2]["data"])[:4] == b"RIFF"


def test_account(url: str) -> None:
    found = javascript(url, "account")
    assert found["account"]["username"] == "me"
    assert found["hardware"][0]["sku"] == "cpu"
    assert "songloom/nano" in found["models"]
    assert "nano" in found["found"]
