"""The application: all routes, what stands before them, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from songloom.errors import OutputError, SongloomError
from songloom.server import cog, page
from songloom.server.http.auth import Authentication
from songloom.server.http.bodies import explain_body
from songloom.server.http.limits import BodyLimits
from songloom.server.http.logs import RequestLog
from songloom.server.http.problems import UNREADABLE, ProblemError, problem_response
from songloom.server.openapi import add_documents
from songloom.server.replicate import routers
from songloom.server.services import Services
from songloom.server.studio import routers as studio_routers
from songloom.version import __version__

V1 = "/v1/"
DISK_FULL = 507


def make_app(services: Services) -> FastAPI:
    """The server's ASGI application; its lifespan runs the jobs."""
    app = FastAPI(title="songloom", version=__version__, openapi_url=None, lifespan=_lifespan)
    app.state.services = services
    add_documents(app)
    app.include_router(cog.router)
    app.include_router(page.router)
    for router in (*routers, *studio_routers):
        app.include_router(router)
    _add_operations(app, services)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_refusal)
    app.add_exception_handler(ProblemError, _answer_refusal)
    app.add_exception_handler(SongloomError, _answer_expected)
    app.add_exception_handler(Exception, _answer_fault)
    settings = services.settings
    # The last added is the first that a request comes to.
    app.add_middleware(
        BodyLimits,
        max_body=int(settings.max_body_mb * 1e6),
        max_file=int(settings.max_file_mb * 1e6),
    )
    app.add_middleware(Authentication, store=services.store, settings=settings,
                       tokens=services.tokens, is_open=page.is_open)  # fmt: skip
    app.add_middleware(RequestLog, record_answer=services.metrics.record_answer)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run jobs, webhooks and retention beside the routes; at the end, let what runs finish."""
    services: Services = app.state.services
    await services.executor.start()
    tasks = [
        asyncio.create_task(services.dispatcher.run()),
        asyncio.create_task(services.sender.run()),
        asyncio.create_task(services.retention.run()),
        asyncio.create_task(services.analysis.run()),
    ]
    for task in tasks:
        # A part that fails must not go unnoticed while the rest looks healthy.
        task.add_done_callback(lambda task: None if task.cancelled() else services.stop())
    try:
        yield
        await services.dispatcher.drain(services.settings.drain_seconds)
    finally:
        for task in tasks:
            task.cancel()
        await services.estimator.close()
        await services.fidelity.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await services.downloads.close()
        await services.sounds.close()
    for result in results:
        if isinstance(result, Exception):
            raise result


def _add_operations(app: FastAPI, services: Services) -> None:
    """Add the routes of those who run the server."""

    @app.get("/livez", tags=["operation"])
    async def is_alive() -> PlainTextResponse:
        """Whether the process answers; needs no token."""
        return PlainTextResponse("ok")

    @app.get("/readyz", tags=["operation"], responses={503: {}})
    async def is_ready() -> PlainTextResponse:
        """Whether predictions would begin now."""
        if services.dispatcher.ready:
            return PlainTextResponse("ok")
        return PlainTextResponse("a worker is not ready", 503)

    @app.get("/metrics", tags=["operation"])
    def measure() -> Response:
        """Metrics of the server, for Prometheus."""
        return Response(services.metrics.text(), media_type="text/plain; version=0.0.4")


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    error = explain_body(error, request.headers.get("content-type", ""))
    if _is_v1(request):
        return problem_response(error)
    detail = [
        {"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]}
        for item in error.errors()
    ]
    return JSONResponse({"detail": detail}, 422)


async def _answer_refusal(request: Request, error: Exception) -> Response:
    if _is_v1(request):
        return problem_response(error)
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"detail": UNREADABLE.get(error.detail, error.detail)}, error.status_code, error.headers
    )


async def _answer_expected(request: Request, error: Exception) -> Response:
    if _is_v1(request):
        return problem_response(error)
    return JSONResponse(
        {"detail": str(error)}, DISK_FULL if isinstance(error, OutputError) else 400
    )


async def _answer_fault(request: Request, error: Exception) -> Response:
    """A fault of ours; the log has its trace."""
    if _is_v1(request):
        return problem_response(error)
    return JSONResponse({"detail": "Internal Server Error"}, 500)


def _is_v1(request: Request) -> bool:
    return request.url.path.startswith(V1)
