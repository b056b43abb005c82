"""Long lists in pages, newest first: `{previous, next, results}` with absolute URLs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import URL

T = TypeVar("T")

MOST = 100
"""Results of one page."""


class PageQuery(BaseModel):
    """Which page of a list is asked for; clients follow URLs and need not know."""

    model_config = ConfigDict(extra="ignore")

    before: int | None = Field(None, ge=0, le=2**63 - 1, description="Older ones than this.")
    after: int | None = Field(None, ge=0, le=2**63 - 1, description="Newer ones than this.")
    limit: int = Field(MOST, ge=1, le=MOST, description="Results of one page.")


Paging = Annotated[PageQuery, Query()]


def page(
    query: PageQuery,
    fetch: Callable[[int], Sequence[T]],
    place: Callable[[T], int],
    render: Callable[[T], dict[str, Any]],
    url: URL,
) -> dict[str, Any]:
    """One page and the URLs of its neighbours.

    Args:
        query: which page.
        fetch: the newest so many of those that `query` is about; for `after`, the oldest ones.
            Newest first in either case.
        place: the place of a result in the order of the list.
        render: a result as JSON.
        url: the list's absolute URL, with what it is filtered by.
    """
    found = list(fetch(query.limit + 1))
    further = len(found) > query.limit
    backwards = query.after is not None
    found = found[-query.limit :] if backwards else found[: query.limit]
    older = bool(found) and (further or backwards)
    newer = bool(found) and (further if backwards else query.before is not None)

    def neighbour(name: str, result: T) -> str:
        bare = url.remove_query_params(["before", "after"])
        return str(bare.include_query_params(**{name: place(result)}))

    return {
        "previous": neighbour("after", found[0]) if newer else None,
        "next": neighbour("before", found[-1]) if older else None,
        "results": [render(result) for result in found],
    }


def single_page(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A list that is short enough for one page."""
    return {"previous": None, "next": None, "results": list(results)}
