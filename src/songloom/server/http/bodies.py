"""Faults of whole request bodies, in words that say what to send instead."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError

EXAMPLE = '{"input": {"prompt": "warm felt piano"}}'
_NEAR = 20
"""Characters that are shown on either side of a fault."""
_SHAPES = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


def explain_body(error: RequestValidationError, content_type: str) -> RequestValidationError:
    """The same error; where the body as a whole is at fault, it says why and what to do.

    Args:
        error: what the framework found.
        content_type: the request's header.
    """
    faults = [
        {**fault, "msg": _explain(fault, error.body, content_type) or fault["msg"]}
        for fault in error.errors()
    ]
    return RequestValidationError(faults, body=error.body)


def _explain(fault: dict[str, Any], body: Any, content_type: str) -> str:
    """A better message; empty where the framework's words do."""
    place = fault["loc"]
    if fault["type"] == "json_invalid":
        return _explain_syntax(fault["ctx"]["error"], place[-1], body)
    if place != ("body",):
        return ""
    kind = content_type.partition(";")[0].strip().lower()
    if fault["type"] == "missing":
        return f"the body is empty, but must be JSON; send an object such as {EXAMPLE}"
    if not (kind == "application/json" or kind.endswith("+json")):
        came = f"is {kind[:100]!r} by its header" if kind else "has no header that says so"
        return (
            f"the body must be JSON, but {came}; send the header `Content-Type: application/json` "
            "with it (curl: -H 'Content-Type: application/json')"
        )
    shape = _SHAPES.get(type(fault.get("input")), "something else")
    return f"the body is {shape}, but must be an object such as {EXAMPLE}"


def _explain_syntax(reason: str, place: Any, body: Any) -> str:
    said = f"the body is not JSON: {reason[:1].lower()}{reason[1:]}"
    if not (isinstance(body, str) and isinstance(place, int)):
        return f"{said}; correct it"
    line = body.count("\n", 0, place) + 1
    column = place - (body.rfind("\n", 0, place) + 1) + 1
    near = body[max(0, place - _NEAR) : place + _NEAR]
    hint = "correct it"
    if "'" in near:
        hint = 'names and texts stand between double quotes ("), not single ones'
    elif place >= len(body.rstrip()):
        hint = "it ends too early"
    return f"{said} at line {line}, column {column}, near {near!r}; {hint}"
