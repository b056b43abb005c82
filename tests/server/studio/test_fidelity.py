"""Songs of a data set through a model's ears, over HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from songloom.errors import AudioError
from songloom.jobs.paths import EXCERPT_SIDES, FIGURES_FILE
from songloom.server.datasets.fidelity import FidelityMeter
from songloom.server.processes.line_process import ProcessEndedError
from tests.server.serving import Serving
from tests.server.studio.test_datasets import analysed, made, put

ANSWER = {"model": "nano", "grade": "roughly", "text": "Roughly.", "log_mel": 1.0}


class Process:
    """Stands for the process: writes what that would, and counts."""

    def __init__(self, error: str = "") -> None:
        self.asked: list[dict[str, Any]] = []
        self._error = error

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(question)
        if self._error:
            return {"error": self._error}
        target = Path(question["target"])
        target.mkdir(parents=True)
        for side in EXCERPT_SIDES:
            (target / f"{side}.mp3").write_bytes(f"{side} by {question['model']}".encode())
        (target / FIGURES_FILE).write_text(json.dumps(ANSWER))
        return dict(ANSWER)

    async def close(self) -> None:
        pass


@pytest.fixture
def process(server: Serving, monkeypatch: pytest.MonkeyPatch) -> Process:
    process = Process()
    monkeypatch.setattr(server.services.fidelity, "_process", process)
    return process


def a_song(server: Serving) -> str:
    id = made(server)
    put(server, id, "a.mp3")
    [song] = analysed(server, id)["songs"]
    return f"/v1/datasets/{id}/songs/{song['id']}"


def test_a_song_can_be_heard_through_a_model_and_is_measured_once(
    server: Serving, process: Process
) -> None:
    path = a_song(server)
    told = server.client.get(f"{path}/fidelity").json()
    assert (told["grade"], told["text"], told["log_mel"]) == ("roughly", "Roughly.", 1.0)
    assert set(told["urls"]) == set(EXCERPT_SIDES)
    assert "signature=" in told["urls"]["heard"]
    heard = server.client.get(told["urls"]["heard"], headers={"Range": "bytes=0-4"})
    assert (heard.content, heard.headers["content-type"]) == (b"heard", "audio/mpeg")
    assert server.client.get(f"{path}/fidelity").json()["grade"] == "roughly"
    assert [question["model"] for question in process.asked] == ["nano"]
    other = server.client.get(f"{path}/fidelity", params={"model": "small"}).json()
    assert other["urls"]["heard"].partition("?")[0] != told["urls"]["heard"].partition("?")[0]
    assert len(process.asked) == 2


@pytest.mark.parametrize("place", ["0123/heard.mp3", "..%2Fx/heard.mp3", "0123/figures.mp3"])
@pytest.mark.usefixtures("process")
def test_what_was_not_made_is_not_there(server: Serving, place: str) -> None:
    assert server.client.get(f"{a_song(server)}/fidelity/{place}").status_code in (404, 422)


def test_a_song_that_is_not_there(server: Serving) -> None:
    assert server.client.get(f"/v1/datasets/{made(server)}/songs/none/fidelity").status_code == 404


def test_why_it_can_not_be_measured(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process("the model 'medium' is not on this machine yet; download it first")
    monkeypatch.setattr(server.services.fidelity, "_process", process)
    answer = server.client.get(f"{a_song(server)}/fidelity", params={"model": "medium"})
    assert answer.status_code == 400
    assert "download it first" in answer.json()["detail"]


def test_a_process_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead:
        async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
            raise ProcessEndedError("its process ended (exit code -9)")

    meter = FidelityMeter()
    monkeypatch.setattr(meter, "_process", Dead())
    with pytest.raises(AudioError, match=r"through 'nano': its process ended .*; try again"):
        asyncio.run(meter.measure(tmp_path / "a.mp3", "nano", tmp_path / "key"))
