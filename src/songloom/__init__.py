"""songloom: MusicGen that you own.

    import songloom

    model = songloom.load("nano")
    track = model.generate(songloom.GenerationRequest(prompt="warm felt piano", duration=8))
    track.save("piano.wav")

Names are imported when they are first used, so `import songloom` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from songloom.version import __version__

if TYPE_CHECKING:
    from songloom.checkpoints.export import export as export
    from songloom.checkpoints.export import merge as merge
    from songloom.checkpoints.home import remove_model as remove_model
    from songloom.checkpoints.listing import ModelListing as ModelListing
    from songloom.checkpoints.listing import list_models as list_models
    from songloom.dataset.prepare import prepare as prepare
    from songloom.errors import SongloomError as SongloomError
    from songloom.finetuning.pipeline import FineTuned as FineTuned
    from songloom.finetuning.pipeline import train as train
    from songloom.generation.model import Model as Model
    from songloom.generation.model import load as load
    from songloom.generation.track import Track as Track
    from songloom.request import GenerationRequest as GenerationRequest
    from songloom.server.run import serve as serve
    from songloom.settings import ServeSettings as ServeSettings
    from songloom.training_request import PrepareRequest as PrepareRequest
    from songloom.training_request import TrainingRequest as TrainingRequest

_HOMES = {
    "FineTuned": "songloom.finetuning.pipeline",
    "GenerationRequest": "songloom.request",
    "Model": "songloom.generation.model",
    "ModelListing": "songloom.checkpoints.listing",
    "SongloomError": "songloom.errors",
    "Track": "songloom.generation.track",
    "export": "songloom.checkpoints.export",
    "list_models": "songloom.checkpoints.listing",
    "load": "songloom.generation.model",
    "merge": "songloom.checkpoints.export",
    "prepare": "songloom.dataset.prepare",
    "PrepareRequest": "songloom.training_request",
    "remove_model": "songloom.checkpoints.home",
    "serve": "songloom.server.run",
    "ServeSettings": "songloom.settings",
    "train": "songloom.finetuning.pipeline",
    "TrainingRequest": "songloom.training_request",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'songloom' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
