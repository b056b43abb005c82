"""Labels of a song: what the analysis hears, and what a tagging model adds to it."""

from __future__ import annotations

from collections.abc import Sequence

from songloom.audio.files import Audio
from songloom.dataset.labels import Labeller, Labels
from songloom.errors import MissingExtraError, ModelError
from songloom.progress import Notice, ProgressCallback
from songloom.training_request import PrepareRequest, Tagger


def labellers_for(
    request: PrepareRequest, on_event: ProgressCallback | None = None
) -> list[Labeller]:
    """Load the labellers that a request asks for; each labels any number of songs.

    Args:
        request: `auto_labeling` asks for the analysis, `tagger` for a model; with
            `labels_optional`, a model that can't be loaded is left out, and a `Notice` says so.
        on_event: told of downloads and notices.

    Raises:
        MissingExtraError: a package is missing; the message says how to install it.
        ModelError: the tagger's files can't be fetched or read.
    """
    labellers: list[Labeller] = []
    if request.auto_labeling:
        from songloom.dataset.analysis.song import analyse

        labellers.append(analyse)
    try:
        labellers += _taggers(request.tagger, on_event)
    except (MissingExtraError, ModelError) as error:
        if not request.labels_optional:
            raise
        if on_event is not None:
            on_event(Notice(f"songs get no labels by {request.tagger}: {error}"))
    return labellers


def label(audio: Audio, labellers: Sequence[Labeller]) -> Labels:
    """Label a song by all labellers; a later one wins over an earlier one."""
    labels = Labels()
    for labeller in labellers:
        labels = labels.with_overrides(labeller(audio))
    return labels


def _taggers(tagger: Tagger, on_event: ProgressCallback | None) -> list[Labeller]:
    match tagger:
        case "none":
            return []
        case "effnet":
            from songloom.dataset.tagging.effnet import load_effnet

            return [load_effnet(on_event)]
        case "clap":
            from songloom.dataset.tagging.clap import load_clap

            return [load_clap(on_event)]
