"""The process that listens to songs, at work."""

import asyncio
from pathlib import Path

import pytest

from songloom.errors import AudioError
from songloom.jobs.workers.analysis import analyze_song
from songloom.server.datasets.analysis import ProcessEar

SONG = Path(__file__).parents[3] / "examples" / "songs" / "01-brass-key.ogg"


def test_a_song_is_heard(tmp_path: Path) -> None:
    song = tmp_path / "song.ogg"
    song.write_bytes(SONG.read_bytes())
    told = analyze_song(song)
    assert told["seconds"] == pytest.approx(34.56, abs=0.1)
    assert told["labels"]["key"] == "A minor"
    assert [path.name for path in tmp_path.iterdir()] == ["song.ogg"]


def test_what_is_no_song_is_refused_without_its_place(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_text("no sound in here")
    error = analyze_song(path)["error"]
    assert error.startswith("it ")
    assert str(tmp_path) not in error


@pytest.mark.slow
def test_a_process_listens_goes_on_after_a_bad_song_and_is_replaced(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"")
    song = tmp_path / "song.ogg"
    song.write_bytes(SONG.read_bytes())

    async def listen() -> None:
        ear = ProcessEar()
        with pytest.raises(AudioError, match=r"^it "):
            await ear.listen(bad)
        heard = await ear.listen(song)
        assert heard.labels["key"] == "A minor"
        process = ear._process._process
        assert process is not None
        process.kill()
        with pytest.raises(AudioError, match="its process ended"):
            await ear.listen(song)
        await ear.listen(song)
        await ear.close()

    asyncio.run(listen())
