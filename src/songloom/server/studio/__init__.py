"""What the page works with beyond the API of Replicate: the owner's library, and the machine."""

from __future__ import annotations

from songloom.server.studio import (
    checkpoints,
    datasets,
    fidelity,
    library,
    machine,
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
    sounds.recordings,
    storage.router,
    tokens.router,
    machine.router,
)
