"""How many times faster than they play songs are prepared, with the embedded model's codec.

Songs of three minutes (44.1 kHz stereo, half of them mp3, half flac; chords, bass and drums), with
analysis, without vocal removal, by two processes; loading Python, PyTorch and the codec counts.
Then the parts of the work on one song, one thread, after a first song that does not count.

    python -m benchmarks.prepare [--quick] [--json]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.report import Options, finish, options, say
from songloom.audio.files import Audio, write_audio
from songloom.checkpoints.model_codec import model_path, read_model_codec
from songloom.dataset.label import label, labellers_for
from songloom.dataset.prepare import prepare
from songloom.dataset.token_store import read_recording, tokenize
from songloom.training_request import PrepareRequest

PROCESSES = 2
SONGS, SECONDS = 8, 180
QUICK_SONGS, QUICK_SECONDS = 4, 60
RATE = 44_100


def write_songs(folder: Path, count: int, seconds: int) -> None:
    """Songs that differ in key and tempo."""
    for number in range(count):
        samples = music(number, seconds)
        format = ("mp3", "flac")[number % 2]
        path = folder / f"song {number}.{format}"
        write_audio(path, Audio(samples, RATE), format=format)  # type: ignore[arg-type]


def music(number: int, seconds: int) -> torch.Tensor:
    """Chords, bass and drums, (2, N)."""
    generator = torch.Generator().manual_seed(number)
    beat = round(RATE * 60 / (84 + 9 * number))
    time = torch.arange(4 * beat) / RATE
    fade = torch.exp(-3 * time)
    strike = torch.randn(2, beat // 2, generator=generator) * torch.exp(
        -40 * torch.arange(beat // 2) / RATE
    )
    bars = []
    while len(bars) * 4 * beat < seconds * RATE:
        root = 110 * 2 ** ((number + (0, 9, 5, 7)[len(bars) % 4]) % 12 / 12)
        notes = [root * 2 ** (step / 12) for step in (0, 12, 16, 19)]
        chord = torch.stack([torch.sin(2 * torch.pi * note * time) for note in notes])
        bar = (fade * chord.sum(dim=0)).repeat(2, 1) * 0.1
        for at in range(4):
            bar[:, at * beat : at * beat + strike.shape[1]] += 0.1 * strike
        bars.append(bar)
    return torch.cat(bars, dim=1)[:, : seconds * RATE]


def whole(songs: Path, folder: Path) -> tuple[float, float]:
    """Seconds of music, and seconds that it takes to prepare."""
    started = time.perf_counter()
    prepared = prepare(PrepareRequest(dataset_path=songs, processes=PROCESSES), folder)
    return prepared.dataset.seconds, time.perf_counter() - started


def parts(songs: Path, scratch: Path) -> dict[str, float]:
    """Times faster than it plays of each part of the work on one song."""
    torch.set_num_threads(1)
    model = read_model_codec(model_path("nano"), torch.device("cpu"))
    codec, bins = model.codec, model.chroma_bins
    codec.fold_weight_norm()
    labellers = labellers_for(PrepareRequest(dataset_path=songs))

    def never() -> bool:
        return False

    speeds: dict[str, float] = {}
    for path in sorted(songs.iterdir())[:2]:
        audio = read_recording(path, codec.sample_rate, codec.channels, scratch, never)
        work: dict[str, Callable[[], object]] = {
            "decode": lambda p=path: read_recording(p, codec.sample_rate, 1, scratch, never),
            "label": lambda a=audio: label(a, labellers),
            "code": lambda a=audio: tokenize(a, codec, None, scratch, never),
            "code_and_melody": lambda a=audio: tokenize(a, codec, bins, scratch, never),
        }
        for name, do in work.items():
            started = time.perf_counter()
            do()
            speeds[name] = audio.seconds / (time.perf_counter() - started)
    return speeds


def measure(run: Options) -> dict[str, float | int | str]:
    """Both."""
    count, seconds = (QUICK_SONGS, QUICK_SECONDS) if run.quick else (SONGS, SECONDS)
    with tempfile.TemporaryDirectory() as temporary:
        songs, folder = Path(temporary, "songs"), Path(temporary, "dataset")
        songs.mkdir()
        say(f"writing {count} songs of {seconds} s ...", run)
        write_songs(songs, count, seconds)
        say("preparing them ...", run)
        music_seconds, taken = whole(songs, folder)
        say("the parts of it ...", run)
        speeds = parts(songs, Path(temporary))
    return {
        "songs": count,
        "seconds_each": seconds,
        "processes": PROCESSES,
        "seconds_taken": taken,
        "times_real_time": music_seconds / taken,
        **{f"{name}_times_real_time_one_thread": speed for name, speed in speeds.items()},
    }


if __name__ == "__main__":
    chosen = options(__doc__)
    finish(measure(chosen), chosen)
