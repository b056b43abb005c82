"""Who may use the server, from within: tokens to give out and to take back.

Nobody can shut the server for everyone here, nor leave a key in a door that stands open.
"""

from __future__ import annotations

import threading
from typing import Any

from fastapi import APIRouter, status
from pydantic import BaseModel, ConfigDict, Field

from songloom.jobs.store.api_tokens import LONGEST_NAME, hash_token, may_be_name, new_token
from songloom.jobs.store.records import Token
from songloom.server.dependencies import Serving
from songloom.server.http.auth import VARIABLE, admits_all
from songloom.server.http.problems import InvalidField, ProblemError
from songloom.server.render.replicate import stamp
from songloom.settings import ServeSettings

router = APIRouter(prefix="/v1/tokens", tags=["studio"])
_REVOKING = threading.Lock()
"""Held from the look at what would be left until the token is gone."""


class TokenBody(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Whom or what it is for, such as laptop.")


@router.get("")
def list_tokens(services: Serving) -> dict[str, Any]:
    """Names of the tokens, and whether requests need one; no token itself is ever told again."""
    if _is_for_strangers(services.settings):
        return {"results": [], "required": False}
    stored = services.store.tokens()
    given = services.tokens.given
    shown = [_token_json(token.name, stamp(token.created_at)) for token in stored]
    shown += [_token_json(name, None, from_environment=True) for name in given]
    required = not admits_all(services.settings, services.tokens.read())
    return {"results": shown, "required": required}


@router.post("", status_code=status.HTTP_201_CREATED)
def create_token(body: TokenBody, services: Serving) -> dict[str, str]:
    """Make a token, which is told this once; from the first on, requests need one."""
    _refuse_strangers(services.settings)
    name = body.name.strip()
    if not may_be_name(name) or name in services.tokens.given:
        fault = (
            f"name is {body.name[:LONGEST_NAME]!r}, but must be a new name of at most "
            f"{LONGEST_NAME} characters; choose one by which you will know the token"
        )
        raise ProblemError(422, fault, fields=[InvalidField("name", fault)])
    token = new_token()
    services.store.add_token(Token(name, hash_token(token)))
    services.tokens.forget_cached()
    return {"name": name, "token": token}


@router.delete("/{name:path}", status_code=status.HTTP_204_NO_CONTENT)
def revoke_token(name: str, services: Serving) -> None:
    """Let nobody in with a token any more; the last one that keeps a server usable stays."""
    _refuse_strangers(services.settings)
    with _REVOKING:
        stored = {token.name: token.sha256 for token in services.store.tokens()}
        if name not in stored:
            raise _missing_token(name, services.tokens.given)
        left = services.tokens.read()
        left.pop(stored[name], None)
        if not left and not admits_all(services.settings, left):
            raise ProblemError(
                409,
                f"{name!r} is the last token, and nobody could use the server without one; make "
                "another first",
            )
        services.store.remove_token(name)
        services.tokens.forget_cached()


def _is_for_strangers(settings: ServeSettings) -> bool:
    """Whether anyone may use the server, from anywhere: they have no say in who has tokens."""
    return settings.allow_anonymous and not settings.local_only


def _refuse_strangers(settings: ServeSettings) -> None:
    if _is_for_strangers(settings):
        raise ProblemError(
            403,
            "everyone may use this server, so whoever asks could be anyone; make and revoke tokens "
            "where it runs, with `songloom tokens`",
        )


def _missing_token(name: str, given: tuple[str, ...]) -> ProblemError:
    if name in given:
        return ProblemError(
            409, f"the token {name!r} is from the variable {VARIABLE}; change that to take it back"
        )
    return ProblemError(404, f"there is no token {name!r}; GET /v1/tokens lists those there are")


def _token_json(
    name: str, created_at: str | None, *, from_environment: bool = False
) -> dict[str, Any]:
    return {"name": name, "created_at": created_at, "from_environment": from_environment}
