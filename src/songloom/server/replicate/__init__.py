"""The HTTP API that code written for Replicate calls: everything under /v1."""

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
