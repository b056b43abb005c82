"""All routes of /v1; apart from the package itself, which parts of the server import."""

from __future__ import annotations

from songloom.server.replicate import account, files, models, outputs, predictions, trainings

routers = (
    predictions.router,
    trainings.router,
    models.router,
    files.router,
    outputs.router,
    account.router,
)
