"""The application is the same in whatever order its routers are included."""

from itertools import combinations

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from songloom.server.replicate import routers
from songloom.server.studio import routers as studio_routers


def operations(router: APIRouter) -> set[tuple[str, str]]:
    """Methods and paths of a router's routes."""
    paths = get_openapi(title="", version="", routes=router.routes)["paths"]
    return {(method, path) for path, methods in paths.items() for method in methods}


def share_a_url(one: str, other: str) -> bool:
    """Whether some URL fits the templates of two paths."""
    pairs = list(zip(one.split("/"), other.split("/"), strict=False))
    alike = all(a == b or "{" in a or "{" in b for a, b in pairs)
    return alike and one.count("/") == other.count("/")


def test_no_url_is_a_matter_of_the_routers_order() -> None:
    found = [operations(router) for router in (*routers, *studio_routers)]
    assert all(found)
    clashes = [
        (method, path, other)
        for ours, theirs in combinations(found, 2)
        for method, path in sorted(ours)
        for their_method, other in sorted(theirs)
        if method == their_method and share_a_url(path, other)
    ]
    assert clashes == []
    assert share_a_url("/v1/trainings/{id}", "/v1/trainings/estimate")
