"""What routes of /v1 work with: the server's parts, and the URLs of the answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import URL

from songloom.server.replicate.links import Links
from songloom.server.services import Services


def services_of(request: Request) -> Services:
    """The parts of the server that a request came to."""
    services: Services = request.app.state.services
    return services


Serving = Annotated[Services, Depends(services_of)]


def links_of(request: Request, services: Serving) -> Links:
    """Makes URLs as this client reaches the server."""
    base = services.settings.public_url or str(request.base_url)
    return Links(base.rstrip("/"), services.signer.sign)


Linking = Annotated[Links, Depends(links_of)]


def url_of(request: Request, links: Links) -> URL:
    """The URL of a request as its client knows it."""
    query = f"?{request.url.query}" if request.url.query else ""
    return URL(links.absolute(request.url.path + query))
