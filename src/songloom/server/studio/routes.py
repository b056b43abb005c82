"""All routes of the studio; apart from the package itself, which parts of the server import."""

from __future__ import annotations

from songloom.server.studio import library, machine, sounds

routers = (
    library.router,
    sounds.router,
    machine.router,
)
