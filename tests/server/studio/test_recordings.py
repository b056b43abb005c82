"""Uploaded recordings are judged by who will read them, the server."""

from pathlib import Path

from tests.server.fakes import write_tone
from tests.server.serving import Serving


def upload_recording(server: Serving, content: bytes, name: str = "a.mp3") -> str:
    answer = server.client.post("/v1/files", files={"content": (name, content)})
    return str(answer.json()["id"])


def test_a_recording_has_an_outline(server: Serving, tmp_path: Path) -> None:
    id = upload_recording(server, write_tone(tmp_path / "a.wav").read_bytes())
    drawn = server.client.get(f"/v1/files/{id}/peaks").json()
    assert drawn["seconds"] == 0.05
    assert len(drawn["peaks"]) == len(drawn["rms"]) > 0
    assert [path.name for path in server.services.files.path(id).parent.iterdir()] == [id]


def test_what_is_no_audio_is_refused(server: Serving, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "a.wav").read_bytes()
    for content in (b"C E G", b"ID3" + bytes(5000), b"\xff\xfb\x90\x00" + bytes(20), tone[:30]):
        id = upload_recording(server, content)
        assert server.client.get(f"/v1/files/{id}/peaks").status_code == 400


def test_what_is_gone_is_told(server: Serving, tmp_path: Path) -> None:
    assert server.client.get("/v1/files/nothing/peaks").status_code == 404
    id = upload_recording(server, b"x")
    server.services.files.path(id).unlink()
    assert server.client.get(f"/v1/files/{id}/peaks").status_code == 410
