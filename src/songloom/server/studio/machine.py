"""This machine: its devices, and the models that it has."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from songloom.checkpoints.listing import list_models
from songloom.jobs.paths import server_folder
from songloom.server.dependencies import Serving
from songloom.server.http.auth import admits_all
from songloom.server.inputs.model_index import OWNER
from songloom.server.services import Services
from songloom.settings import split_list
from songloom.version import __version__

router = APIRouter(prefix="/v1/machine", tags=["studio"])
_GIB = 1 << 30


@router.get("")
def get_machine(services: Serving) -> dict[str, Any]:
    """The machine that the server runs on, its devices, and the models that are on it."""
    settings = services.settings
    devices = _devices(services)
    return {
        "version": __version__,
        "device": _first_device(services) or devices[0]["name"],
        "devices": devices,
        "model": settings.model,
        "models": _usable_models(services),
        "folder": str(server_folder(settings)),
        "tokens_required": not admits_all(settings, services.tokens.read()),
        "public_url": settings.public_url,
    }


def _first_device(services: Services) -> str:
    """Name of the device by PyTorch; empty while no worker is ready."""
    known = services.dispatcher.devices
    return known[min(known)].means if known else ""


def _devices(services: Services) -> list[dict[str, Any]]:
    """The devices; of one whose worker is not ready yet, only the name is known."""
    known = services.dispatcher.devices
    names = sorted(known) or list(split_list(services.settings.devices)) or ["auto"]
    found = []
    for name in names:
        told = known.get(name)
        memory = told.memory_bytes if told is not None else 0
        found.append(
            {
                "name": name,
                "description": told.description if told is not None else "",
                "memory_gb": round(memory / _GIB, 1) if memory else None,
            }
        )
    return found


def _usable_models(services: Services) -> list[str]:
    """Names of the models that need no download; first the one that a request gets unasked.

    What was trained here is called as jobs that use it are: by its owner and its name.
    """
    binned = services.trash.models()
    here = [model.name for model in list_models() if model.local and model.name not in binned]
    names = [_public_name(name, services) for name in here]
    return list(dict.fromkeys([services.settings.model, *names]))


def _public_name(name: str, services: Services) -> str:
    version = services.models.resolve(name)
    return name if version is None or version.owner == OWNER else version.title
