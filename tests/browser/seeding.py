"""A library that was filled over months, made in seconds."""

import itertools
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import soundfile

from songloom.clock import utc_now
from songloom.jobs.paths import database_url, job_folder, jobs_folder
from songloom.jobs.store.records import Job, new_id
from songloom.jobs.store.store import Store
from songloom.settings import ServeSettings

RATE = 32_000
SECONDS = 4
STYLES = ("bossa nova", "gentle ballad", "lo-fi beat", "waltz", "synth-pop", "folk tune", "march")
PLAYERS = ("felt piano", "nylon guitar", "strings", "music box", "double bass", "marimba")


def prompts(count: int) -> list[str]:
    """What the pieces were asked for by, the oldest first."""
    ideas = itertools.cycle(f"{style}, {player}" for style in STYLES for player in PLAYERS)
    return [f"{idea}, idea {number}" for number, idea in zip(range(count), ideas, strict=False)]


def fill_library(home: Path, count: int) -> None:
    """Give a server so many finished pieces, before it is started.

    Args:
        home: its SONGLOOM_HOME.
        count: of the pieces; of each hundred, three failed and ten are favourites.
    """
    settings = ServeSettings(folder=home / "server")
    jobs_folder(settings).mkdir(parents=True, exist_ok=True)
    sounds = [_sound(home / f"{number}.wav", number) for number in range(7)]
    store = Store(database_url(settings))
    for number, prompt in enumerate(prompts(count)):
        created = utc_now() - timedelta(hours=7 * (count - number))
        job = Job(
            id=new_id(),
            kind="prediction",
            surface="replicate",
            input={"prompt": prompt, "duration": SECONDS, "seed": number},
            model="nano",
            seed=number,
            created_at=created,
        )
        store.add_job(job, limit=count)
        if number % 100 in (7, 42, 77):
            store.finish(job.id, "failed", error="the input audio is empty; choose another")
            continue
        folder = job_folder(jobs_folder(settings), job.id)
        folder.mkdir()
        os.link(sounds[number % len(sounds)], folder / "output.wav")
        metrics = {"predict_time": 2.5, "audio_seconds": float(SECONDS)}
        store.finish(job.id, "succeeded", output={"files": ["output.wav"]}, metrics=metrics)
        if number % 10 == 0:
            store.library.favor(job.id, True)
    store.close()


def _sound(path: Path, number: int) -> Path:
    """A few notes that swell and fade."""
    t = np.arange(RATE * SECONDS) / RATE
    rng = np.random.default_rng(number)
    notes = rng.integers(0, 12, SECONDS * 2)
    pitch = 220 * 2 ** (np.repeat(notes, RATE // 2) / 12)
    loudness = np.exp(-3 * (t % 0.5)) * np.repeat(rng.uniform(0.2, 0.9, len(notes)), RATE // 2)
    samples = (20_000 * loudness * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype("<i2")
    soundfile.write(path, samples, RATE)
    return path
