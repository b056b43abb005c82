"""The OpenAPI document of the whole server, and a page to read it on, without the internet."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from songloom.server.inputs.schema import cog_document
from songloom.server.page import takes_gzip
from songloom.version import __version__

DOCUMENT = "/openapi.json"
UNFRAMED = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
VERSION = "3.0.2"
"""Of OpenAPI: that of Cog 0.9, whose clients read the document."""


def add_documents(app: FastAPI) -> None:
    """Give an application /openapi.json and /docs."""
    from swagger_ui_bundle import swagger_ui_path

    app.openapi_version = VERSION
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(_join_documents(app))
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
    sent: dict[str, bytes] = {}
    building = threading.Lock()  # several may ask first, each in a thread of its own

    @app.get(DOCUMENT, include_in_schema=False)
    def describe(request: Request) -> Response:
        """The document; the page reads it first of all, so it goes over the wire compressed."""
        with building:
            if not sent:
                plain = json.dumps(openapi(), ensure_ascii=False, separators=(",", ":")).encode()
                sent.update({"": plain, "gzip": gzip.compress(plain, mtime=0)})
        encoding = "gzip" if takes_gzip(request) else ""
        headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": encoding} if encoding else {})
        return Response(sent[encoding], media_type="application/json", headers=headers)

    app.mount("/docs/assets", StaticFiles(directory=str(swagger_ui_path)), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        """All routes, to be read and tried."""
        page = get_swagger_ui_html(
            openapi_url=DOCUMENT,
            title="songloom",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-32x32.png",
        )
        page.headers.update(UNFRAMED)  # or a stranger's page could have it clicked on
        return page


def _join_documents(app: FastAPI) -> dict[str, Any]:
    """Cog's document, and behind it what the server has beyond."""
    own = get_openapi(
        title="songloom",
        version=__version__,
        openapi_version=VERSION,
        description=(
            "Predictions and trainings, as a Cog container (first part) and as Replicate "
            "(`/v1`) serve them."
        ),
        routes=app.routes,
    )
    own = {name: _as_3_0(part) for name, part in own.items()}
    cog = cog_document()
    schemas = cog["components"]["schemas"] | {
        name: schema
        for name, schema in own.get("components", {}).get("schemas", {}).items()
        if name not in cog["components"]["schemas"]
    }
    components = own.get("components", {}) | {"schemas": schemas}
    return own | {"paths": cog["paths"] | own["paths"], "components": components}


def _as_3_0(schema: Any) -> Any:
    """A schema of OpenAPI 3.1, which FastAPI writes, in the words of 3.0."""
    if isinstance(schema, list):
        return [_as_3_0(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: _as_3_0(value) for name, value in schema.items()}
    choices = told.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        others = [choice for choice in choices if choice != {"type": "null"}]
        del told["anyOf"]
        told["nullable"] = True
        told |= others[0] if len(others) == 1 and "$ref" not in others[0] else {"anyOf": others}
    for limit, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(told.get(limit), int | float) and not isinstance(told[limit], bool):
            told[plain], told[limit] = told[limit], True
    if "const" in told:
        told["enum"] = [told.pop("const")]
    told.pop("contentMediaType", None)
    return told
