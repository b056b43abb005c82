"""A new model beside the one that it was trained from: by the same prompts and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from songloom.audio.files import Audio
from songloom.dataset.manifest import Dataset
from songloom.generation.model import Model, load
from songloom.generation.track import Track
from songloom.progress import ProgressCallback, Stage
from songloom.request import GenerationRequest, max_duration
from songloom.training.captions import full_caption
from songloom.training.memorization import MemorizationCheck, TokenizedSong, check_memorization
from songloom.training.summary import ClipPair
from songloom.training_request import TrainingRequest

PREVIEW_SEED = 1000
"""Seed of the first piece that is generated for comparing; the others follow."""


@dataclass(frozen=True)
class Comparison:
    """Pieces of the base and of the new model by the same prompts and seeds; none without words."""

    before: Sequence[Track] = ()
    after: Sequence[Track] = ()
    clips: Sequence[ClipPair] = ()
    memorisation: MemorizationCheck | None = None


def compare(
    request: TrainingRequest,
    dataset: Dataset,
    folder: Path,
    base: str,
    tell: ProgressCallback,
    cancelled: Callable[[], bool] | None,
) -> Comparison:
    """Generate by both models, and look for copies of the songs.

    Args:
        request: how many pieces, and how long.
        dataset: the songs.
        folder: of the new model.
        base: the model that it was trained from.
        tell: told of stages and progress.
        cancelled: asked often.

    Raises:
        Cancelled: `cancelled` said True.
    """
    prompts = preview_prompts(dataset, request.previews)
    if not prompts:
        return Comparison()
    seconds = min(request.preview_seconds, max_duration())
    pieces = [
        GenerationRequest(prompt=prompt, duration=seconds, seed=PREVIEW_SEED + i)
        for i, prompt in enumerate(prompts)
    ]

    def generate_with(model: Model) -> list[Track]:
        return model.generate(pieces, on_event=tell, cancelled=cancelled)

    tell(Stage("generating with the model as it was"))
    before = generate_with(load(base, device=request.device))
    tell(Stage("generating with the new model"))
    after = generate_with(load(folder, device=request.device, base=base))
    clips = [
        ClipPair(
            old.request.prompt,
            old.seed,
            Audio(old.normalized(), old.sample_rate),
            Audio(new.normalized(), new.sample_rate),
        )
        for old, new in zip(before, after, strict=True)
    ]
    songs = dataset.songs
    memorisation = check_memorization(
        [track.tokens for track in before],
        [track.tokens for track in after],
        [dataset.tokens(song).codes for song in songs if song.held_out],
        (
            TokenizedSong(song.file, dataset.tokens(song).codes)
            for song in songs
            if not song.held_out
        ),
        dataset.info.frame_rate,
    )
    return Comparison(before, after, clips, memorisation)


def preview_prompts(dataset: Dataset, count: int) -> list[str]:
    """Distinct captions of the songs, those of held-out songs first."""
    songs = sorted(dataset.songs, key=lambda song: not song.held_out)
    captions = [full_caption(song.caption or "", song.tags()) for song in songs]
    distinct = list(dict.fromkeys(caption for caption in captions if caption))
    return distinct[:count]
