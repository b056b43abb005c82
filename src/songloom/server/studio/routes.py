"""All routes of the studio; apart from the package itself, which parts of the server import."""

from __future__ import annotations

from songloom.server.studio import (
    checkpoints,
    datasets,
    fidelity,
    library,
    machine,
    recordings,
    sounds,
    storage,
    tokens,
    trainings,
)

routers = (
    datasets.router,
    fidelity.router,
    trainings.router,
    checkpoints.router,
    library.router,
    sounds.router,
    recordings.router,
    storage.router,
    tokens.router,
    machine.router,
)
