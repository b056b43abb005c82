"""Estimates of a training's time and memory, before it starts.

Time comes from trainings of the same model that this server has finished, or else from a trial of
a few updates on this machine. Memory is what the training itself plans with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from songloom.errors import ModelError, RequestError
from songloom.jobs.paths import server_folder
from songloom.jobs.store.records import Job
from songloom.jobs.store.store import Store
from songloom.server.datasets.records import SongDataset
from songloom.server.processes.line_process import LineProcess, ProcessEndedError
from songloom.settings import ServeSettings, split_list
from songloom.training_request import TrainingRequest

Effort = Literal["quick", "normal", "thorough"]

SMALL_BELOW = 60_000_000
"""Weights of a model that a computer without a graphics card trains well."""
EARLIER_MARGIN, TRIED_MARGIN = (0.8, 1.3), (0.7, 2.0)
"""Margins of the sum, either way: others use the machine too, and a trial is short."""
START_SECONDS = 10.0
"""For processes to start and models to load, before, between and after."""
UNKNOWN_SONG_SECONDS = 180.0
"""Length of a song that was not listened to yet."""
FRAME_TO_STEP = 6.0
"""Times that drawing a frame of music takes of what training on one does: both read all weights,
but it has only that frame to do with them. Between 4 and 8 on the machines that were tried."""
MEASURED_WINDOWS = 24
"""See `training.loop.MOST_MEASURED`."""
HELD_OUT_FROM = 4
"""See `dataset.prepare.FEWEST_TO_HOLD_OUT_OF`."""
MOST_PROCESSES = 16
"""See `dataset.prepare.MOST_PROCESSES`."""
LONGEST_SECONDS = 300.0
"""Of a trial; one of a large model on a slow processor takes a minute."""
SPEEDS = "speeds.json"
"""File in the server's folder with what was tried on this machine."""
_MOST_EARLIER, _LOOKED_AT = 5, 100


def inputs_for(effort: Effort, small: bool) -> dict[str, Any]:
    """A training's inputs for an effort: all else is as it is by default."""
    epochs, updates = {"quick": (2, 30), "normal": (4, 50), "thorough": (8, 75)}[effort]
    inputs: dict[str, Any] = {
        "epochs": epochs,
        "updates_per_epoch": updates,
        "preview_every": epochs * updates // 4,
    }
    if small:
        return inputs | {
            "batch_size": 8 if effort == "thorough" else 4, "window_seconds": 4.0,
            "lora_targets": "all", "lora_rank": 32,
            # So few updates are over before D-Adaptation has found a rate.
            "optimizer": "adamw", "lr": 0.003,
        }  # fmt: skip
    return inputs | {"batch_size": 8 if effort == "quick" else 16, "window_seconds": 10.0}


@dataclass(frozen=True)
class Speed:
    """How fast work goes, and who says so."""

    frame_seconds: float
    """Of an update, for each frame of its windows."""
    coding_seconds: float
    """Of preparing, for each second of music, with all cores."""
    earlier: bool
    """Whether trainings that are done say so."""


def earlier_speed(jobs: Sequence[Job], model: str) -> Speed | None:
    """Measure a model's speed by its trainings that succeeded, None where there are none.

    Args:
        jobs: the newest first.
        model: that they were of.
    """
    told = [
        job.metrics
        for job in jobs
        if job.model == model and job.status == "succeeded" and "frame_seconds" in job.metrics
    ][:_MOST_EARLIER]
    if not told:
        return None
    coding = [metrics["coding_seconds"] for metrics in told if "coding_seconds" in metrics]
    return Speed(
        median(metrics["frame_seconds"] for metrics in told),
        median(coding) if coding else 0.1,
        earlier=True,
    )


def seconds_for(
    inputs: Mapping[str, Any], dataset: SongDataset, speed: Speed, frame_rate: float
) -> tuple[float, float]:
    """The least and the most that a training should take, preparing and comparing included."""
    songs = [song for song in dataset.songs if song.status != "failed"]
    music = sum(song.seconds or UNKNOWN_SONG_SECONDS for song in songs)
    window = inputs["window_seconds"] * frame_rate
    updates = inputs["epochs"] * inputs["updates_per_epoch"]
    trained = updates * inputs["batch_size"] * window
    measured = 0.0
    if len(songs) >= HELD_OUT_FROM:
        # Without a backward pass, which is two thirds of an update.
        measured = (inputs["epochs"] + 1) * MEASURED_WINDOWS * window / 3
    request = TrainingRequest(Path("songs"))
    clips = 2 * request.previews * request.preview_seconds + 5.0 * 3
    generated = clips * frame_rate * FRAME_TO_STEP
    working = speed.frame_seconds * (trained + measured + generated) + speed.coding_seconds * music
    low, high = EARLIER_MARGIN if speed.earlier else TRIED_MARGIN
    return START_SECONDS + low * working, 2 * START_SECONDS + high * working


class Estimator:
    """Says what trainings would take, with the help of a process that knows models.

    Args:
        settings: of the server.
        store: knows trainings that are done.
    """

    def __init__(self, settings: ServeSettings, store: Store) -> None:
        self._settings, self._store = settings, store
        # As a training's process is set up: see `jobs.environment`.
        waiting = {"OMP_WAIT_POLICY": "passive"}
        self._process = LineProcess("songloom.jobs.workers.estimation", LONGEST_SECONDS, waiting)

    async def estimate(self, model: str, dataset: SongDataset, effort: Effort) -> dict[str, Any]:
        """Estimate a training of a model on a data set.

        Raises:
            ModelError: the model is not on this machine, or its files are broken.
            RequestError: what it would take can't be told.
        """
        jobs = await asyncio.to_thread(self._store.jobs, "training", limit=_LOOKED_AT)
        speed = earlier_speed(jobs, model)
        small = inputs_for(effort, small=True)
        about = await self._ask(model, small, tried=speed is None)
        inputs = small
        if about["parameters"] >= SMALL_BELOW:
            inputs = inputs_for(effort, small=False)
            about |= await self._ask(model, inputs, tried=False)
        if speed is None:
            cores = min(about["cores"], MOST_PROCESSES)
            speed = Speed(about["frame_seconds"], about["coding_seconds"] / cores, earlier=False)
        low, high = seconds_for(inputs, dataset, speed, about["frame_rate"])
        return {
            "seconds_low": round(low),
            "seconds_high": round(high),
            "memory_gb": round(about["memory_bytes"] / 1e9, 2),
            "free_gb": round(about["free_bytes"] / 1e9, 2),
            "fits": about["fits"],
            "basis": "earlier trainings" if speed.earlier else "a measurement of this machine",
            "inputs": inputs,
        }

    async def close(self) -> None:
        """End the process."""
        await self._process.close()

    async def _ask(self, model: str, inputs: Mapping[str, Any], *, tried: bool) -> dict[str, Any]:
        devices = split_list(self._settings.devices)
        speeds = server_folder(self._settings) / SPEEDS
        question = {
            "model": model, "request": dict(inputs), "device": devices[0] if devices else "auto",
            "speeds": str(speeds) if tried else "",
        }  # fmt: skip
        try:
            answer = await self._process.ask(question)
        except ProcessEndedError as error:
            raise RequestError(
                f"model is {model!r}, but what training it takes can't be told ({error}); a "
                "smaller model may do",
                field="model",
            ) from None
        if "error" in answer:
            raise ModelError(answer["error"])
        return answer
