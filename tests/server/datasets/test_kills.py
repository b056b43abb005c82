"""Data sets of a real server that is killed: nothing that was answered is lost."""

from pathlib import Path

import pytest

from tests.server.server_process import serving

pytestmark = pytest.mark.slow
SONG = Path(__file__).parents[3] / "examples" / "songs" / "01-brass-key.ogg"


def test_songs_outlive_a_kill_and_are_listened_to_by_the_next_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made = server.client.post("/v1/datasets", json={"name": "Waltzes"}).json()
        url = f"/v1/datasets/{made['id']}"
        content = SONG.read_bytes()
        put = server.client.put(f"{url}/songs", params={"path": "a.ogg"}, content=content)
        [song] = put.json()["songs"]
        edit = server.client.patch(f"{url}/songs/{song['id']}", json={"caption": "A waltz."})
        assert edit.status_code == 200
        server.until(lambda: len(server.children()) > 1)  # one that listens beside the worker
        server.kill()  # which sees that both end
    with serving(tmp_path) as server:
        [found] = server.client.get(url).json()["songs"]
        assert (found["id"], found["caption"], found["size"]) == (
            song["id"], "A waltz.", len(content),
        )  # fmt: skip
        server.until(lambda: server.client.get(url).json()["songs"][0]["status"] == "ready")
        [found] = server.client.get(url).json()["songs"]
        assert found["labels"]["key"] == "A minor"
        assert server.client.get(found["urls"]["audio"]).content == content
        assert server.stop() == 0
