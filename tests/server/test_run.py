"""How a server starts, and what it refuses."""

import socket
from pathlib import Path

import pytest

from songloom.errors import OutputError, RequestError
from songloom.server import run
from songloom.server.run import devices_of, serve
from songloom.settings import ServeSettings


@pytest.mark.parametrize(
    ("asked", "visible", "gpus", "devices"),
    [
        ("auto", None, 0, ("auto",)),
        ("auto", None, 1, ("auto",)),
        ("auto", None, 3, ("cuda:0", "cuda:1", "cuda:2")),
        ("auto", "4,5", 8, ("cuda:0", "cuda:1")),
        ("auto", "", 8, ("auto",)),
        ("cpu", None, 2, ("cpu",)),
        ("cuda:1, cpu", None, 2, ("cuda:1", "cpu")),
        (",", None, 2, ("auto",)),
    ],
)
def test_every_gpu_gets_a_worker_unless_told_otherwise(
    asked: str,
    visible: str | None,
    gpus: int,
    devices: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(gpus):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    monkeypatch.setattr(run, "_GPUS", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices_of(ServeSettings(devices=asked)) == devices


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OutputError, match=rf"127\.0\.0\.1:{port} can't be listened on"):
            serve(ServeSettings(port=port, folder=tmp_path))


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    with run._lock_folder(tmp_path), pytest.raises(OutputError, match=r"runs on .* already"):
        serve(ServeSettings(port=0, folder=tmp_path))
    with run._lock_folder(tmp_path):
        pass  # it is free again


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't be written"):
        serve(ServeSettings(port=0, folder=tmp_path / "file" / "server"))


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"public_url": "https://x.example"}])
def test_others_are_let_in_only_with_tokens(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SONGLOOM_TOKENS", raising=False)
    with pytest.raises(RequestError, match="there is no token"):
        serve(ServeSettings(port=0, folder=tmp_path, **settings))  # type: ignore[arg-type]
