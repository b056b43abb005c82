"""Trainings to report on."""

import math
from dataclasses import replace
from typing import Any

import torch

from songloom.audio.files import Audio
from songloom.training.baselines import Baselines
from songloom.training.fidelity import Fidelity, Flaws
from songloom.training.memorization import MemorizationCheck, TokenizedSong, check_memorization
from songloom.training.state import Measured, Update
from songloom.training.summary import (
    Ceiling,
    ClipPair,
    Distances,
    Findings,
    SongPair,
    SongSummary,
    TrainingSummary,
)
from tests.audio.sounds import tones

SONGS = (
    SongSummary("Carousel", 61.0, "waltz, C major", False, 96.0, {"genre": ("waltz", "folk")}),
    SongSummary("Эхо", 45.5, "slow waltz", False, 84.0, {"genre": ("waltz",)}),
    SongSummary("Bells at noon", 3725.0, "", True, None, {"key": ("C minor",)}),
)


def summary(**changes: Any) -> TrainingSummary:
    """A training that went well; `changes` are other values of its fields."""
    measured = [
        Measured(step, tuple(book + math.exp(-step / 20) for book in (1.0, 2.0, 3.0, 4.0)))
        for step in range(0, 61, 20)
    ]
    good = TrainingSummary(
        name="my-waltzes",
        base="nano",
        licence="Apache-2.0",
        method="lora",
        melody=True,
        channels=1,
        songs=SONGS,
        updates=[Update(step, 3 + 1 / step, 1e-3) for step in range(1, 61)],
        measured=measured,
        after=measured[-1],
        seconds=163.2,
        settings={"batch_size": 8, "lr": None, "drop_vocals": False, "warmup": 20},
    )
    return replace(good, **changes)


def findings(**changes: Any) -> Findings:
    """What was measured of a training whose songs the codec can hardly carry."""
    sound = Audio(tones(0.5, 32000, 1), 32000)
    pair = SongPair("Bells at noon", sound, Audio(sound.samples * 0.5, 32000))
    found = Findings(
        ceiling=Ceiling(1, True, Fidelity(2.2, 0.29, -20.0), None, [pair]),
        distances=Distances(before=2.2, after=1.1, codec=1.4, others=0.8),
        flaws_before=Flaws(0.0, 0.0),
        flaws_after=Flaws(0.1, 0.0),
        baselines=Baselines(uniform=7.6, table=3.5),
    )
    return replace(found, **changes)


def clip_pair(prompt: str = "waltz, music box", seconds: float = 0.5) -> ClipPair:
    before, after = (Audio(tones(seconds, 32000, channels), 32000) for channels in (1, 2))
    return ClipPair(prompt, 7, before, after)


def check(copied_frames: int = 0, title: str = "Carousel") -> MemorizationCheck:
    """A check of one clip, of which that many frames stand in a song."""
    draw = torch.Generator().manual_seed(0)
    song, clip, other = (torch.randint(512, (4, 400), generator=draw) for _ in range(3))
    clip[:, 100 : 100 + copied_frames] = song[:, 250 : 250 + copied_frames]
    return check_memorization([other], [clip], [other], [TokenizedSong(title, song)], 50.0)
