"""The process that reads and converts sounds, as the server uses it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import soundfile

from songloom.errors import AudioError, OutputError
from songloom.jobs.paths import MADE_FOLDER
from songloom.jobs.workers.stdio import ABANDONED
from songloom.server.processes import sounds as sounds_module
from songloom.server.processes.sounds import Sounds
from tests.server.fakes import write_tone
from tests.waiting import PATIENCE


@asynccontextmanager
async def opened() -> AsyncIterator[Sounds]:
    sounds = Sounds()
    try:
        yield sounds
    finally:
        await sounds.close()


def run(what: Callable[[Sounds], Awaitable[None]]) -> None:
    async def inner() -> None:
        async with opened() as sounds:
            await what(sounds)

    asyncio.run(inner())


async def forgotten(sounds: Sounds) -> None:
    """Wait until it is known that the process is gone."""
    async with asyncio.timeout(PATIENCE):
        while sounds._process is not None:
            await asyncio.sleep(0.01)


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "output.wav")


def test_an_outline_is_made_once(tone: Path) -> None:
    async def what(sounds: Sounds) -> None:
        path = await sounds.outline(tone)
        drawn = json.loads(path.read_text())
        assert drawn["seconds"] == 0.05
        assert 0 < max(drawn["peaks"]) <= 1
        made = path.stat().st_mtime_ns
        assert await sounds.outline(tone) == path
        assert path.stat().st_mtime_ns == made

    run(what)


def test_a_sound_in_every_format(tone: Path) -> None:
    async def what(sounds: Sounds) -> None:
        assert await sounds.convert(tone, "wav") == tone
        kinds = {"mp3": "MP3", "flac": "FLAC", "ogg": "OGG"}
        for format, kind in kinds.items():
            path = await sounds.convert(tone, format)  # type: ignore[arg-type]
            assert path.parent == tone.parent / MADE_FOLDER
            info = soundfile.info(path)
            assert (info.format, info.samplerate, info.channels) == (kind, 32_000, 1)
            assert info.duration == pytest.approx(0.05, abs=0.06)
        assert len(list((tone.parent / MADE_FOLDER).iterdir())) == 3

    run(what)


def test_those_who_ask_together_wait_for_one(tone: Path) -> None:
    async def what(sounds: Sounds) -> None:
        paths = await asyncio.gather(*(sounds.outline(tone) for _ in range(20)))
        assert len(set(paths)) == 1
        assert sounds._numbers.__next__() == 1  # one request was made

    run(what)


def test_what_is_no_sound_is_told_without_folders(tmp_path: Path) -> None:
    (tmp_path / "output.wav").write_text("hello")

    async def what(sounds: Sounds) -> None:
        with pytest.raises(AudioError, match=r"'output\.wav' is not audio") as caught:
            await sounds.outline(tmp_path / "output.wav")
        assert str(tmp_path) not in str(caught.value)
        with pytest.raises(AudioError, match="is not here any more"):
            await sounds.outline(tmp_path / "nothing.wav")

    run(what)


def test_a_process_that_dies_is_replaced(tone: Path, tmp_path: Path) -> None:
    other = write_tone(tmp_path / "other.wav")

    async def what(sounds: Sounds) -> None:
        await sounds.outline(tone)
        process = sounds._process
        assert process is not None
        process.kill()
        await process.wait()
        await forgotten(sounds)
        await sounds.outline(other)

    run(what)


def test_one_that_takes_too_long_is_ended(tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def what(sounds: Sounds) -> None:
        monkeypatch.setattr(sounds_module, "PATIENCE", 0.001)
        with pytest.raises(AudioError, match="could not be read in time"):
            await sounds.outline(tone)
        monkeypatch.setattr(sounds_module, "PATIENCE", 60.0)
        await forgotten(sounds)
        await sounds.outline(tone)

    run(what)


def test_it_ends_when_it_is_not_needed(
    tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sounds_module, "IDLE_SECONDS", 0.01)
    other = write_tone(tmp_path / "other.wav")

    async def what(sounds: Sounds) -> None:
        await sounds.outline(tone)
        process = sounds._process
        assert process is not None
        assert await process.wait() == ABANDONED
        await sounds.outline(other)

    run(what)


def test_a_place_that_cannot_be_written_is_told(tone: Path) -> None:
    (tone.parent / MADE_FOLDER).touch()

    async def what(sounds: Sounds) -> None:
        with pytest.raises(OutputError, match="can't be written"):
            await sounds.outline(tone)

    run(what)
