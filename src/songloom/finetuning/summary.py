"""From a finished training to plain data about it."""

from __future__ import annotations

from typing import Any

from songloom.checkpoints.components import Components
from songloom.checkpoints.home import BASE_FINGERPRINT
from songloom.clock import utc_now
from songloom.dataset.manifest import Dataset
from songloom.training.loop import TrainingResult
from songloom.training.summary import SongSummary, TrainingSummary
from songloom.training_request import TrainingRequest
from songloom.version import __version__


def summarize_training(
    request: TrainingRequest,
    name: str,
    base: Components,
    dataset: Dataset,
    result: TrainingResult,
) -> TrainingSummary:
    """Summarize a finished training; findings are added later."""
    info = base.info
    songs = [
        SongSummary(
            title=song.file,
            seconds=song.seconds,
            caption=song.caption or "",
            held_out=song.held_out,
            bpm=song.labels.bpm,
            labels={key: words for key, words in song.tags().items() if key != "bpm"},
        )
        for song in dataset.songs
    ]
    return TrainingSummary(
        name=name,
        base=request.model_version,
        licence=info.licence,
        method="full" if request.full else "lora",
        melody=info.melody,
        channels=info.channels,
        songs=songs,
        updates=result.state.updates,
        measured=result.state.measured,
        after=result.best,
        seconds=result.state.seconds,
        settings=request.to_mapping(),
        frame_rate=info.frame_rate,
        longest_delay=max(base.lm.config.delays),
    )


def collect_facts(
    name: str,
    summary: TrainingSummary,
    fingerprint: str,
    dataset: Dataset,
    result: TrainingResult,
) -> dict[str, Any]:
    """Collect the facts that songloom stores with a model that it trained, as JSON."""
    before, after = summary.before, summary.after
    return {
        "name": name,
        "base": summary.base,
        BASE_FINGERPRINT: fingerprint,
        "licence": summary.licence,
        "kind": "full" if summary.method == "full" else "adapter",
        "created": utc_now().isoformat(timespec="seconds"),
        "songloom": __version__,
        "songs": len(dataset.songs),
        "seconds_of_music": round(dataset.seconds, 1),
        "updates": result.state.step,
        "seconds_trained": round(result.state.seconds, 1),
        "held_out_loss_before": None if before is None else round(before.loss, 4),
        "held_out_loss_after": None if after is None else round(after.loss, 4),
    }
