"""The Cog part of the OpenAPI document: the hosted original's, with our inputs behind its own.

`cog.json` holds the document without its inputs, which are made from their declarations. Clients
generate code and forms from it, so all but descriptions equals what Cog 0.9 prints for the
original; a test compares the two.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from songloom.jobs.store.records import JobKind
from songloom.server.inputs.contract import WireInput, wire_inputs

Schema = dict[str, Any]

_DOCUMENT = Path(__file__).with_name("cog.json")
_INPUT_SCHEMAS: dict[JobKind, str] = {"prediction": "Input", "training": "TrainingInput"}


@functools.cache
def cog_document() -> Schema:
    """The document; not to be changed by who asks for it."""
    document: Schema = json.loads(_DOCUMENT.read_text(encoding="utf-8"))
    choices = {
        wire.name: _enumeration(wire.name, wire.choices)
        for kind in _INPUT_SCHEMAS
        for wire in wire_inputs(kind)
        if wire.choices
    }
    inputs = {name: input_schema(kind) for kind, name in _INPUT_SCHEMAS.items()}
    schemas = document["components"]["schemas"] | inputs | choices
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


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


def _enumeration(title: str, values: tuple[str, ...]) -> Schema:
    return {"title": title, "enum": list(values), "type": "string", "description": "Choices."}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _title(name: str) -> str:
    return name.replace("_", " ").title()
