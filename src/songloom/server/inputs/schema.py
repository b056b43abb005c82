"""The Cog part of the OpenAPI document: the hosted original's, with our inputs behind its own.

It is made from the declared inputs. Clients generate code and forms from it, so what is there but
descriptions equals what Cog 0.9 prints for the original; a test compares the two.
"""

from __future__ import annotations

import functools
from typing import Any

from songloom.jobs.store.records import WEBHOOK_EVENTS, JobKind
from songloom.server.inputs.contract import WireInput, wire_inputs

Schema = dict[str, Any]

_STATUSES = ("starting", "processing", "succeeded", "canceled", "failed")
_INPUT_SCHEMAS: dict[JobKind, str] = {"prediction": "Input", "training": "TrainingInput"}
_OUTPUT_SCHEMAS: dict[JobKind, str] = {"prediction": "Output", "training": "TrainingOutput"}


@functools.cache
def cog_document() -> Schema:
    """The document; not to be changed by who asks for it."""
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


@functools.cache
def input_defaults(kind: JobKind) -> dict[str, Any]:
    """Values of inputs that a request does not give, None included."""
    return {wire.name: wire.spec.default for wire in wire_inputs(kind)}


def input_schema(kind: JobKind) -> Schema:
    """The inputs of predictions or trainings, with references into the document's components."""
    schema: Schema = {"title": _INPUT_SCHEMAS[kind], "type": "object"}
    required = [wire.name for wire in wire_inputs(kind) if wire.spec.required]
    if required:
        schema["required"] = required
    properties = {wire.name: _property(wire, i) for i, wire in enumerate(wire_inputs(kind))}
    return schema | {"properties": properties}


def _property(wire: WireInput, order: int) -> Schema:
    schema: Schema = {}
    if wire.choices:
        schema["allOf"] = [_reference(wire.name)]
    else:
        schema |= {"title": _title(wire.name), "type": wire.type}
    schema["description"] = wire.spec.option.help
    if wire.is_file:
        schema["format"] = "uri"
    if wire.minimum is not None:
        schema["minimum"] = wire.minimum
    if wire.above is not None:
        schema |= {"minimum": wire.above, "exclusiveMinimum": True}
    if wire.maximum is not None:
        schema["maximum"] = wire.maximum
    if wire.spec.default is not None:
        schema["default"] = wire.spec.default
    return schema | {"x-order": order}


def _schemas() -> Schema:
    """All components, in the order of their names."""
    choices = {
        wire.name: _enumeration(wire.name, wire.choices)
        for kind in _INPUT_SCHEMAS
        for wire in wire_inputs(kind)
        if wire.choices
    }
    own = {
        "HTTPValidationError": _object(
            "HTTPValidationError", detail=_list(_reference("ValidationError"), title="Detail")
        ),
        "Input": input_schema("prediction"),
        "Output": {
            "title": "Output",
            "type": "string",
            "format": "uri",
            "description": "The piece; for a count above 1, a list of such.",
        },
        "PredictionRequest": _request("prediction"),
        "PredictionResponse": _response("prediction"),
        "Status": _enumeration("Status", _STATUSES),
        "TrainingInput": input_schema("training"),
        "TrainingOutput": {
            **_object("TrainingOutput", weights=_text("weights", format="uri")),
            "required": ["weights"],
        },
        "TrainingRequest": _request("training"),
        "TrainingResponse": _response("training"),
        "ValidationError": {
            **_object(
                "ValidationError",
                loc=_list({"anyOf": [{"type": "string"}, {"type": "integer"}]}, title="Location"),
                msg=_text("message"),
                type=_text("error_type"),
            ),
            "required": ["loc", "msg", "type"],
        },
        "WebhookEvent": _enumeration("WebhookEvent", WEBHOOK_EVENTS),
    }
    return dict(sorted((own | choices).items()))


def _request(kind: JobKind) -> Schema:
    return _object(
        f"{kind.title()}Request",
        input=_reference(_INPUT_SCHEMAS[kind]),
        id=_text("id"),
        created_at=_text("created_at", format="date-time"),
        output_file_prefix=_text("output_file_prefix"),
        webhook={**_text("webhook", format="uri"), "minLength": 1, "maxLength": 65536},
        webhook_events_filter={
            **_list(_reference("WebhookEvent")),
            "default": list(WEBHOOK_EVENTS),
        },
    )


def _response(kind: JobKind) -> Schema:
    return _object(
        f"{kind.title()}Response",
        input=_reference(_INPUT_SCHEMAS[kind]),
        output=_reference(_OUTPUT_SCHEMAS[kind]),
        id=_text("id"),
        version=_text("version"),
        created_at=_text("created_at", format="date-time"),
        started_at=_text("started_at", format="date-time"),
        completed_at=_text("completed_at", format="date-time"),
        logs={**_text("logs"), "default": ""},
        error=_text("error"),
        status=_reference("Status"),
        metrics={"title": "Metrics", "type": "object"},
    )


def _paths() -> Schema:
    return {
        "/shutdown": {
            "post": _operation(
                "Start Shutdown",
                "start_shutdown_shutdown_post",
                _response_title("Start Shutdown Shutdown Post"),
                description="Stop as on a signal: what runs finishes, trainings are saved.",
            )
        },
        **_job_paths("training"),
        "/": {
            "get": _operation(
                "Root",
                "root__get",
                _response_title("Root  Get"),
                description="Where everything is.",
            )
        },
        "/health-check": {
            "get": _operation(
                "Healthcheck",
                "healthcheck_health_check_get",
                _response_title("Healthcheck Health Check Get"),
                description="How the server is; always 200.",
            )
        },
        **_job_paths("prediction"),
    }


def _job_paths(kind: JobKind) -> Schema:
    """The paths of predictions or trainings, under the names that Cog's own functions give them."""
    verb, cancel = ("predict", "cancel") if kind == "prediction" else ("train", "cancel_training")
    path, id = f"/{kind}s", f"{kind}_id"
    request = _reference(f"{kind.title()}Request")
    in_path = {
        "required": True,
        "schema": {"title": f"{kind.title()} ID", "type": "string"},
        "name": id,
        "in": "path",
    }
    prefer = {
        "required": False,
        "schema": {"title": "Prefer", "type": "string"},
        "name": "prefer",
        "in": "header",
    }
    return {
        path: {
            "post": _operation(
                verb.title(),
                f"{verb}_{kind}s_post",
                _reference(f"{kind.title()}Response"),
                parameters=[prefer],
                body={"content": _json(request)},
                description=f"Make a {kind}: with `Prefer: respond-async` the answer comes at "
                "once, else with the result.",
            )
        },
        f"{path}/{{{id}}}": {
            "put": _operation(
                f"{verb.title()} Idempotent",
                f"{verb}_idempotent_{kind}s__{id}__put",
                _reference("PredictionResponse"),  # of trainings as well: so it is in Cog
                parameters=[in_path, prefer],
                body={
                    "content": _json({"title": f"{kind.title()} Request", "allOf": [request]}),
                    "required": True,
                },
                description=f"Make a {kind} of that id, or see the one that is there.",
            )
        },
        f"{path}/{{{id}}}/cancel": {
            "post": _operation(
                cancel.replace("_", " ").title(),
                f"{cancel}_{kind}s__{id}__cancel_post",
                _response_title(
                    f"{cancel.replace('_', ' ').title()} {kind.title()}s  {kind.title()} Id  "
                    "Cancel Post"
                ),
                parameters=[in_path],
                description=f"Stop a {kind}.",
            )
        },
    }


def _operation(
    summary: str,
    id: str,
    answer: Schema,
    *,
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
    description: str,
) -> Schema:
    operation: Schema = {"summary": summary, "description": description, "operationId": id}
    responses: Schema = {"200": {"description": "Successful Response", "content": _json(answer)}}
    if parameters:
        operation["parameters"] = parameters
        refusal = _json(_reference("HTTPValidationError"))
        responses["422"] = {"description": "Validation Error", "content": refusal}
    if body:
        operation["requestBody"] = body
    return operation | {"responses": responses}


def _object(title: str, **properties: Schema) -> Schema:
    return {"title": title, "type": "object", "properties": properties}


def _enumeration(title: str, values: tuple[str, ...]) -> Schema:
    return {"title": title, "enum": list(values), "type": "string", "description": "Choices."}


def _text(name: str, format: str | None = None) -> Schema:
    schema = {"title": _title(name), "type": "string"}
    return schema | ({"format": format} if format else {})


def _list(items: Schema, title: str | None = None) -> Schema:
    return ({"title": title} if title else {}) | {"type": "array", "items": items}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _response_title(name: str) -> Schema:
    return {"title": f"Response {name}"}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _title(name: str) -> str:
    return name.replace("_", " ").title()
