"""Who owns what is trained here, what it computes on, and the secret of its webhooks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from songloom.server.dependencies import Serving
from songloom.settings import split_list

router = APIRouter(prefix="/v1", tags=["account"])


@router.get("/account")
def get_account(services: Serving) -> dict[str, Any]:
    """The account; a server has one, that all its tokens belong to."""
    owner = services.settings.owner
    return {"type": "user", "username": owner, "name": owner, "github_url": None}


@router.get("/hardware")
def list_hardware(services: Serving) -> list[dict[str, str]]:
    """The devices that models run on; which one is not a client's choice."""
    devices = sorted(services.dispatcher.stats) or list(split_list(services.settings.devices))
    return [{"sku": device, "name": device} for device in devices]


@router.get("/webhooks/default/secret")
def get_webhook_secret(services: Serving) -> dict[str, str]:
    """The secret that webhooks are signed with."""
    return {"key": services.signer.webhook_secret}
