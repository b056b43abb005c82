"""Damaged audio files, archives and models, read in processes that may die of them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from songloom.audio.files import write_audio
from songloom.request import OutputFormat
from tests.audio.sounds import tone_audio
from tests.tiny import tiny_model

HANG_SECONDS = 30.0
"""A file that takes longer hangs."""
AT_ONCE = 50
"""Files that one process reads; it takes seconds to start."""
DEAD_SECONDS = 120.0
"""Silence after which a process is ended; its start counts as well, on a busy machine."""
FORMATS: tuple[OutputFormat, ...] = ("wav", "flac", "ogg", "mp3")
EDGES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\1\0\0\0")


@dataclass
class MutationResults:
    """What became of damaged files of one kind."""

    kind: str
    seed: int
    files: int = 0
    read: int = 0
    refused: int = 0
    signals: int = 0
    tracebacks: int = 0
    hangs: int = 0
    longest_seconds: float = 0.0
    most_megabytes: float = 0.0
    faults: list[str] = field(default_factory=list)


def run_mutations(kind: str, folder: Path, count: int, seed: int) -> MutationResults:
    """Make damaged files of a kind, and read them.

    Args:
        kind: `audio`, `archives` or `models`.
        folder: for the files; empty.
        count: of files.
        seed: of the damage.
    """
    chance, results = random.Random(seed), MutationResults(kind, seed)
    make = {"audio": _audio, "archives": _archives, "models": _models}[kind]
    maker = make(folder, chance)
    left = count
    while left:
        batch = [next(maker) for _ in range(min(left, AT_ONCE))]
        left -= len(batch)
        _read_all(kind, [str(path) for path in batch], results)
        for path in batch:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return results


def damage(data: bytes, chance: random.Random) -> bytes:
    """Bytes that were changed in one to four places: flipped, cut, doubled, or set to extremes."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        # Headers decide more than what follows them.
        place = chance.randrange(min(len(changed), 256) if chance.random() < 0.7 else len(changed))
        match chance.randrange(5):
            case 0:
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed[place : place + 4] = chance.choice(EDGES)
            case 2:
                del changed[place : place + chance.randint(1, 64)]
            case 3:
                changed[place:place] = changed[place : place + chance.randint(1, 64)]
            case 4 if chance.random() < 0.3:
                del changed[max(1, place) :]
            case _:
                changed[place] = chance.randrange(256)
        if not changed:
            return b"\0"
    return bytes(changed)


def _audio(folder: Path, chance: random.Random) -> Iterator[Path]:
    whole = {}
    for format in FORMATS:
        path = folder / f"whole.{format}"
        write_audio(path, tone_audio(2.0), format=format)
        whole[format] = path.read_bytes()
        path.unlink()
    number = 0
    while True:
        format = chance.choice(FORMATS)
        path = folder / f"{number}.{format}"
        path.write_bytes(damage(whole[format], chance))
        yield path
        number += 1


def _archives(folder: Path, chance: random.Random) -> Iterator[Path]:
    song = folder / "song.wav"
    write_audio(song, tone_audio(), format="wav")
    packed = folder / "songs"
    for ending, mode in ((".tar", "w"), (".tar.gz", "w:gz")):
        with tarfile.open(f"{packed}{ending}", mode) as tar:  # type: ignore[call-overload]
            tar.add(song, "album/song.wav")
    with zipfile.ZipFile(f"{packed}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(song, "album/song.wav")
        archive.writestr("album/song.txt", "warm piano")
    endings = (".zip", ".tar", ".tar.gz")
    whole = {ending: Path(f"{packed}{ending}").read_bytes() for ending in endings}
    number = 0
    while True:
        ending = chance.choice(endings)
        path = folder / f"{number}{ending}"
        data = whole[ending]
        # A zip's directory, which says what there is, stands at its end.
        turned = ending == ".zip" and chance.random() < 0.5
        changed = damage(data[::-1], chance)[::-1] if turned else damage(data, chance)
        path.write_bytes(changed)
        yield path
        number += 1


def _models(folder: Path, chance: random.Random) -> Iterator[Path]:
    whole = tiny_model(folder / "whole")
    names = sorted(path.name for path in whole.iterdir() if path.is_file())
    number = 0
    while True:
        path = folder / str(number)
        shutil.copytree(whole, path)
        file = path / chance.choice(names)
        file.write_bytes(damage(file.read_bytes(), chance))
        yield path
        number += 1


def _read_all(kind: str, names: list[str], results: MutationResults) -> None:
    """Read files in processes; one that dies or hangs costs the file that it was at."""
    while names:
        command = [sys.executable, "-m", "tests.campaigns.victim", kind, *names]
        done = _watch(command, results)
        names = names[done:]


def _watch(command: list[str], results: MutationResults) -> int:
    """Take what a process says of its files; how many it is done with, or was ended by."""
    log = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout is not None
        done, file = 0, ""
        with _Alarm(process.kill) as alarm:
            for line in process.stdout:
                said = json.loads(line)
                alarm.set()
                if "file" in said:
                    file = said["file"]
                    continue
                done += 1
                _add(said, Path(file).name, results)
                file = ""
        code = process.wait()
    if file:  # it ended in the middle of this one
        results.files, done = results.files + 1, done + 1
        if alarm.rang:
            results.hangs += 1
        else:
            results.signals += 1
        end = "hangs" if alarm.rang else f"ended with {code}"
        results.faults.append(f"{Path(file).name}: {end}")
    elif code and not done:
        raise RuntimeError(f"{command[:4]} ended with {code} before its first file")
    return done


def _add(said: dict[str, object], name: str, results: MutationResults) -> None:
    results.files += 1
    outcome = said["outcome"]
    results.read += outcome == "read"
    results.refused += outcome == "refused"
    results.tracebacks += outcome == "traceback"
    seconds, megabytes = float(str(said["seconds"])), float(str(said["megabytes"]))
    if seconds > HANG_SECONDS:
        results.hangs += 1
        results.faults.append(f"{name}: took {seconds:.0f} s")
    results.longest_seconds = max(results.longest_seconds, seconds)
    results.most_megabytes = max(results.most_megabytes, megabytes)
    if outcome == "traceback":
        last = str(said["trace"]).strip().rpartition("\n")[2]
        results.faults.append(f"{name}: {last[:200]}")


class _Alarm:
    """Calls something when nothing was heard for `DEAD_SECONDS`."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._timer: threading.Timer | None = None
        self.rang = False

    def __enter__(self) -> _Alarm:
        self.set()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancel()

    def set(self) -> None:
        """Count anew."""
        self._cancel()
        self._timer = threading.Timer(DEAD_SECONDS, self._go_off)
        self._timer.daemon = True
        self._timer.start()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _go_off(self) -> None:
        self.rang = True
        self._ring()
