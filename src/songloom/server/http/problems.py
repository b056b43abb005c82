"""Errors of /v1 in the form that its clients read: `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from songloom.errors import (
    BusyError,
    DuplicateError,
    FetchError,
    ModelError,
    ModelNeededError,
    OutputError,
    QueueFullError,
    RequestError,
    SongloomError,
)

PROBLEM_JSON = "application/problem+json"
UNREADABLE = {
    "There was an error parsing the body": "the body can't be read as text, but must be JSON in "
    "UTF-8; send it so"
}
"""Better words for what the framework says."""
RETRY_SECONDS = 10
"""Value of Retry-After when the queue is full."""


@dataclass(frozen=True)
class InvalidField:
    """One part of a request that makes no sense."""

    field: str
    """Where it is: "input.duration"."""
    description: str
    type: str = "invalid"


class ProblemError(Exception):
    """An answer other than success, with what was wrong and what to do."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        fields: Iterable[InvalidField] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.fields, self.headers = tuple(fields), dict(headers or {})


def problem_json(status: int, detail: str) -> dict[str, Any]:
    """The body of an error, without the fields of a 422."""
    return {"title": HTTPStatus(status).phrase, "detail": detail, "status": status}


def problem_response(error: Exception) -> JSONResponse:
    """The answer that an error of any kind makes; a bug's message stays in the server's log."""
    problem = error if isinstance(error, ProblemError) else _problem_of(error)
    body = problem_json(problem.status, problem.detail)
    if problem.fields or problem.status == 422:
        body["invalid_fields"] = [asdict(field) for field in problem.fields]
    return JSONResponse(
        body, status_code=problem.status, headers=problem.headers, media_type=PROBLEM_JSON
    )


def _problem_of(error: Exception) -> ProblemError:
    match error:
        case RequestValidationError():
            return _explain_invalid(error)
        case HTTPException():
            return ProblemError(error.status_code, _describe_error(error), headers=error.headers)
        case QueueFullError():
            return ProblemError(429, str(error), headers={"Retry-After": str(RETRY_SECONDS)})
        case DuplicateError() | BusyError() | ModelNeededError():
            return ProblemError(409, str(error))
        case RequestError():
            return ProblemError(
                422, str(error), fields=[InvalidField(error.field or "body", str(error))]
            )
        case FetchError():
            return ProblemError(422, str(error), fields=[InvalidField("body", str(error))])
        case ModelError():
            return ProblemError(404, str(error))
        case OutputError():
            return ProblemError(507, str(error))
        case SongloomError():
            return ProblemError(400, str(error))
        case _:
            return ProblemError(500, "the server made a mistake; its log has the details")


def _describe_error(error: HTTPException) -> str:
    """An error's detail; those that the framework raises have none beyond their name."""
    details = {
        "Not Found": "there is nothing at this URL; see /docs for what there is",
        "Method Not Allowed": "this URL does not take that method; see the header Allow",
    }
    return (UNREADABLE | details).get(error.detail, error.detail)


def _explain_invalid(error: RequestValidationError) -> ProblemError:
    """Describe a body or a query that did not even have the right types."""
    fields = []
    for fault in error.errors():
        _, *place = fault["loc"]  # without "body" or "query"
        described = fault["msg"]
        if fault["type"] == "json_invalid":
            place = []
        named = ".".join(map(str, place)) or "body"
        fields.append(InvalidField(named, described, fault["type"]))
    detail = "; ".join(_to_sentence(field) for field in fields)
    return ProblemError(422, detail, fields=fields)


def _to_sentence(field: InvalidField) -> str:
    """A fault with the name of its field, which songloom's own messages begin with."""
    name = field.field.rpartition(".")[2]
    described = field.description
    names_itself = described.startswith((f"{name} ", f"the {name} "))
    return described if names_itself else f"{field.field}: {described}"
