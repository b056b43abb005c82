"""Models as the page lists them: the known ones, here or to be had, and those trained here."""

from __future__ import annotations

from typing import Any

from songloom.checkpoints.catalogue import LICENSE_URLS, NANO, known_model
from songloom.checkpoints.home import trained_model
from songloom.checkpoints.listing import ModelListing, list_models
from songloom.server.processes.downloads import Downloads

_OFFICIAL = {
    "small": "Quick: for first ideas",
    "medium": "Fuller and more varied than small",
    "large": "The most detailed, for a GPU with much memory",
    "melody": "Follows the melody of a recording; as large as medium",
    "melody-large": "Follows the melody of a recording; as large as large",
}
REPEATS_AFTER_SECONDS = 30
"""Of music by nano, and by what is trained from it: about then it settles into one loop."""
_INCLUDED = "Made for songloom: small, quick, and follows the melody of a recording."


def checkpoints(downloads: Downloads, hidden: frozenset[str]) -> list[dict[str, Any]]:
    """All models as JSON: known ones, then those that were trained here.

    Args:
        downloads: say what is on its way.
        hidden: names of models that are in the bin.

    Raises:
        ModelError: the folder of the trained models can't be read.
    """
    shown = (model for model in list_models() if model.name not in hidden)
    return [render_checkpoint(model, downloads) for model in shown]


def checkpoint(name: str, downloads: Downloads) -> dict[str, Any] | None:
    """One model as JSON, None where there is none of that name."""
    found = (model for model in list_models() if model.name == name)
    return next((render_checkpoint(model, downloads) for model in found), None)


def render_checkpoint(model: ModelListing, downloads: Downloads) -> dict[str, Any]:
    """A model as JSON."""
    known = known_model(model.name)
    running = downloads.running.get(model.name)
    broken = "its folder lacks files; train it again, or remove it"
    return {
        "name": model.name,
        "description": _description(model),
        "parameters": "" if model.parameters == "?" else model.parameters,
        "stereo": model.channels == 2,
        "melody": bool(model.melody),
        "repeats_after_seconds": REPEATS_AFTER_SECONDS if _is_nano(model) else None,
        "included": model.kind == "embedded",
        "installed": model.local,
        "trained": known is None,
        "size_bytes": model.size_bytes,
        "download_bytes": known.download_bytes or None if known is not None else None,
        "licence": "" if model.licence == "?" else model.licence,
        "licence_url": LICENSE_URLS.get(model.licence),
        "non_commercial": "-NC" in model.licence.upper(),
        "download": None if running is None else {"done": running.done, "total": running.total},
        "error": broken if model.kind == "broken" else downloads.errors.get(model.name),
    }


def _is_nano(model: ModelListing) -> bool:
    if model.kind == "embedded":
        return True
    base, seen = model.base, {model.name}
    while base not in seen and (trained := trained_model(base)) is not None:
        seen.add(base)
        base = trained.base
    return base == NANO


def _description(model: ModelListing) -> str:
    if model.kind == "embedded":
        return _INCLUDED
    if model.kind != "official":
        return f"Learned from your songs, on {model.base}." if model.base else "Trained here."
    described = _OFFICIAL[model.name.removeprefix("stereo-")]
    return f"{described}{'; in stereo' if model.channels == 2 else ''}."
