"""Recordings are read in processes of their own, and harm nothing but their own prediction."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from songloom.audio.files import write_audio
from songloom.errors import AudioError
from songloom.generation.inputs import InputFormat, read_inputs
from songloom.jobs.workers import input_readers
from songloom.jobs.workers.input_readers import InputReaders
from songloom.request import GenerationRequest
from tests.audio.sounds import tone_audio
from tests.waiting import PATIENCE

MODEL = InputFormat(
    model="tiny",
    sample_rate=16_000,
    channels=2,
    hop=320,
    frame_rate=50,
    window_seconds=2.0,
    melody=True,
)


@pytest.fixture(scope="module")
def readers() -> Iterator[InputReaders]:
    made = InputReaders(10 * PATIENCE, "tests.jobs.workers.hostile_inputs")
    yield made
    made.close()


def wanted(path: Path, duration: float = 1.0, **fields: object) -> GenerationRequest:
    return GenerationRequest(input_audio=path, duration=duration, **fields)  # type: ignore[arg-type]


def test_what_is_read_elsewhere_is_what_is_read_here(readers: InputReaders, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, tone_audio(3, 22_050, 2), format="wav")
    melody = wanted(path)
    both = wanted(path, 4, continuation=True, melody_audio=path)
    for request in (melody, both):
        here, elsewhere = read_inputs(request, MODEL), readers.read(request, MODEL, tmp_path)
        for one, other in ((here.clip, elsewhere.clip), (here.melody, elsewhere.melody)):
            assert (one is None) == (other is None)
            assert one is None or torch.equal(one, other)
    assert list(tmp_path.iterdir()) == [path]


def test_without_recordings_nothing_is_started(tmp_path: Path) -> None:
    readers = InputReaders(1.0, "no.such.module")
    inputs = readers.read(GenerationRequest(prompt="a"), MODEL, tmp_path)
    assert (inputs.clip, inputs.melody) == (None, None)


def test_a_mistake_in_the_request_is_told(readers: InputReaders, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no\.wav.* cannot be opened"):
        readers.read(wanted(tmp_path / "no.wav"), MODEL, tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crash", r"ended the process that read it \(exit code -11\)"),
        ("spin", "could not be read in time"),
        ("greedy", "took more than 4 GiB of memory"),
        ("mistake", "the server's log says why"),
    ],
)
def test_a_hostile_recording_harms_itself_alone(
    readers: InputReaders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    said: str,
) -> None:
    monkeypatch.setattr(input_readers, "CPU_SECONDS", 1.0)
    path = tmp_path / "a.wav"
    write_audio(path, tone_audio(3), format="wav")
    with ThreadPoolExecutor(2) as threads:
        hostile = threads.submit(readers.read, wanted(tmp_path / name), MODEL, tmp_path)
        good = threads.submit(readers.read, wanted(path), MODEL, tmp_path)
        with pytest.raises(AudioError, match=said):
            hostile.result()
        assert good.result().melody is not None
    assert readers.read(wanted(path), MODEL, tmp_path).melody is not None


def test_one_that_waits_for_ever_is_ended_and_keeps_no_other_waiting(
    readers: InputReaders, tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, tone_audio(3), format="wav")
    impatient = InputReaders(0.5, "tests.jobs.workers.hostile_inputs")
    errors: list[str] = []

    def sleep() -> None:
        try:
            impatient.read(wanted(tmp_path / "sleep"), MODEL, tmp_path)
        except AudioError as error:
            errors.append(str(error))

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    assert readers.read(wanted(path), MODEL, tmp_path).melody is not None
    sleeper.join(PATIENCE)
    assert len(errors) == 1
    assert f"{str(tmp_path / 'sleep')!r} could not be read in time" in errors[0]


def test_one_that_does_not_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="could not start; try again"):
        InputReaders(PATIENCE, "no.such.module").read(wanted(tmp_path / "a"), MODEL, tmp_path)
