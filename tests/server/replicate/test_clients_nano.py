"""The official clients and a real server, which computes with nano."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import replicate
import soundfile

from tests.dataset.songs import write_song
from tests.server.clients import javascript, needs_javascript, sound_at
from tests.server.server_process import ServerProcess, serving

pytestmark = pytest.mark.slow
TOKEN = "a-real-token"
SHORT = {"prompt": "music box", "duration": 1, "seed": 3}
BRIEF = {
    "model_version": "nano", "epochs": 1, "updates_per_epoch": 2, "batch_size": 1,
    "window_seconds": 1.0, "previews": 0, "auto_labeling": False, "drop_vocals": False,
    "processes": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    home = tmp_path_factory.mktemp("nano")
    with serving(home, tokens=f"tests:{TOKEN}") as running:
        yield running


def test_python_follows_the_melody_of_a_file(nano: ServerProcess, tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", seconds=2.0)
    client = replicate.Client(api_token=TOKEN, base_url=nano.url)
    outputs = []
    for _ in range(2):
        with song.open("rb") as file:
            outputs.append(client.run("songloom/nano", input={**SHORT, "input_audio": file}))
    client._client.close()
    first, second = (sound_at(output) for output in outputs)
    assert first == second
    sound = soundfile.info(io.BytesIO(first))
    assert (sound.samplerate, sound.frames) == (32_000, 32_000)


@needs_javascript
def test_javascript_trains_and_runs_what_it_trained(nano: ServerProcess, tmp_path: Path) -> None:
    archive = tmp_path / "songs.zip"
    with zipfile.ZipFile(archive, "w") as songs:
        songs.write(write_song(tmp_path / "song.wav", seconds=4.0), "song.wav")
    version = nano.client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    found = javascript(
        nano.url, "train", token=TOKEN, owner="songloom", name="nano", version=version,
        destination="me/tiny", file=str(archive), input=BRIEF, run=SHORT,
    )  # fmt: skip
    training = found["training"]
    assert (training["status"], training["error"]) == ("succeeded", None)
    assert "2/2" in training["logs"]
    assert found["weights"]["size"] > 10_000
    assert found["latestOutput"]["head"] == found["versionOutput"]["head"] == "RIFF"
