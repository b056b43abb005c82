"""Routes of the page beyond Replicate's API: library, data sets, models, machine, tokens."""

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
