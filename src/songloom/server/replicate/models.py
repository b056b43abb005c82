"""Models and their versions: those that were trained here, and those that can be trained on."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, status
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from songloom.checkpoints.home import remove_model
from songloom.jobs.trash import is_used
from songloom.server.dependencies import Linking, Serving
from songloom.server.http.links import Links
from songloom.server.http.pages import single_page
from songloom.server.http.problems import ProblemError
from songloom.server.inputs.model_index import OWNER, ModelVersion, VersionedModel
from songloom.server.inputs.schema import cog_document
from songloom.server.render.replicate import render_model, render_version

router = APIRouter(prefix="/v1/models", tags=["models"])
_LONGEST_QUERY = 10_000
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)


class ModelBody(BaseModel):
    """The body of a request for a model; hardware and the like are not a client's choice here."""

    model_config = ConfigDict(extra="ignore")

    owner: str = Field(description="Whose it is to be.")
    name: str = Field(description="What it is to be called.")
    description: str | None = None


def known_model(owner: str, name: str, services: Serving) -> VersionedModel:
    """The model that a request's path names, or a 404."""
    model = services.models.model(owner, name)
    if model is None:
        raise ProblemError(
            404, f"there is no model {f'{owner}/{name}'!r}; GET /v1/models lists those there are"
        )
    return model


def known_version(owner: str, name: str, version: str, services: Serving) -> ModelVersion:
    """The version that a request's path names, or a 404."""
    found = services.models.resolve(f"{owner}/{name}:{version}")
    if found is None:
        raise ProblemError(
            404,
            f"there is no version {version[:100]!r} of {f'{owner}/{name}'!r}; GET "
            f"/v1/models/{owner}/{name}/versions lists those there are",
        )
    return found


KnownModel = Annotated[VersionedModel, Depends(known_model)]
KnownVersion = Annotated[ModelVersion, Depends(known_version)]


@router.get("")
def list_models(services: Serving, links: Linking) -> dict[str, Any]:
    """All models: those that were trained here, then those that they can be trained from."""
    return single_page([_model_json(model, links) for model in services.models.models()])


@router.api_route("", methods=["QUERY"], include_in_schema=False)
async def search_models(request: Request, services: Serving, links: Linking) -> dict[str, Any]:
    """Models whose names or descriptions have all the words of the body."""
    text = (await request.body())[:_LONGEST_QUERY].decode(errors="replace").lower()
    words = text.strip('"').split()  # the JavaScript client sends JSON, the Python one text
    models = await run_in_threadpool(services.models.models)
    found = [model for model in models if all(word in _search_text(model) for word in words)]
    return single_page([_model_json(model, links) for model in found])


@router.post("", status_code=status.HTTP_201_CREATED)
def create_model(body: ModelBody, services: Serving, links: Linking) -> dict[str, Any]:
    """A model to train versions of; it is listed from its first version on."""
    check_destination(f"{body.owner}/{body.name}")
    if services.models.model(body.owner, body.name) is not None:
        raise ProblemError(
            409,
            f"there is a model {f'{body.owner}/{body.name}'!r} already; train further versions of "
            "it, or choose another name",
        )
    description = body.description or ""
    return render_model(
        body.owner, body.name, links, description=description, latest=None, mine=True
    )


@router.get("/{owner}/{name}")
def get_model(model: KnownModel, links: Linking) -> dict[str, Any]:
    """One model, with its latest version."""
    return _model_json(model, links)


@router.delete("/{owner}/{name}", status_code=status.HTTP_204_NO_CONTENT)
def delete_model(model: KnownModel) -> Response:
    """Refused while the model has versions, as all do that are listed."""
    raise ProblemError(
        409,
        f"the model {f'{model.owner}/{model.name}'!r} has versions, and goes with the last of "
        f"them; DELETE /v1/models/{model.owner}/{model.name}/versions/{model.latest.id} and any "
        "others",
    )


@router.get("/{owner}/{name}/versions")
def list_versions(model: KnownModel, services: Serving) -> dict[str, Any]:
    """A model's versions, newest first."""
    versions = services.models.versions(model.owner, model.name)
    return single_page([_version_json(version) for version in versions])


@router.get("/{owner}/{name}/versions/{version}")
def get_version(version: KnownVersion) -> dict[str, Any]:
    """One version, with the schema of its inputs."""
    return _version_json(version)


@router.delete("/{owner}/{name}/versions/{version}", status_code=status.HTTP_204_NO_CONTENT)
def delete_version(version: KnownVersion, services: Serving, request: Request) -> None:
    """Remove a version that was trained here, with its weights, for good; by its whole id."""
    if request.path_params["version"] != version.id:
        raise ProblemError(
            404, f"removing a version needs its whole id, which is {version.id}; give that"
        )
    model = services.models.model(version.owner, version.name)
    if model is None or not model.mine:
        raise ProblemError(
            403, f"{version.title} was not trained here, so it stays; choose one that was"
        )
    if is_used(services.store, version.model):
        raise ProblemError(
            409, f"jobs wait for this version of {version.title}, or run it; cancel them first"
        )
    published = services.store.all_versions()
    if all(other.model != version.model or other.id == version.id for other in published):
        remove_model(version.model)  # refused where others need it; then the version stays as well
    services.store.remove_version(version.id)


def _model_json(model: VersionedModel, links: Links) -> dict[str, Any]:
    return render_model(
        model.owner,
        model.name,
        links,
        description=model.description,
        latest=_version_json(model.latest),
        mine=model.mine,
    )


def _version_json(version: ModelVersion) -> dict[str, Any]:
    return render_version(version.id, version.created_at, cog_document())


def _search_text(model: VersionedModel) -> str:
    return f"{model.owner}/{model.name} {model.description}".lower()


def check_destination(text: str) -> str:
    """A model that a training may make a version of; it need not exist.

    Raises:
        ProblemError: it is no owner/name, or one of the models that were not trained here.
    """
    owner, slash, name = text.partition("/")
    if not (slash and _NAME.fullmatch(owner) and _NAME.fullmatch(name)) or owner == OWNER:
        raise ProblemError(
            404,
            f"destination is {text[:200]!r}, but must be owner/name, of letters, digits, dots, "
            f"hyphens and underscores, with another owner than {OWNER}; correct it",
        )
    return text
