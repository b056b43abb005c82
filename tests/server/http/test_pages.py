"""Lists in pages: whichever way they are turned, each result comes once, in order."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import URL

from songloom.server.http.pages import PageQuery, page

URL_OF_LIST = "https://music.example/v1/predictions?created_after=2026"


def turn_to(url: str, numbers: Sequence[int]) -> dict[str, Any]:
    """The page that a server with these numbers gives at that URL."""
    query = PageQuery.model_validate(dict(parse_qsl(urlsplit(url).query)))

    def fetch(limit: int) -> list[int]:
        newest_first = sorted(numbers, reverse=True)
        if query.after is not None:
            after = query.after
            return [number for number in newest_first if number > after][-limit:]
        before = query.before
        return [number for number in newest_first if before is None or number < before][:limit]

    return page(query, fetch, lambda number: number, lambda number: {"id": number}, URL(url))


def ids(result: dict[str, Any]) -> list[int]:
    return [found["id"] for found in result["results"]]


@given(st.sets(st.integers(1, 200), max_size=30), st.integers(1, 7))
def test_pages_lead_to_the_end_and_back(numbers: set[int], limit: int) -> None:
    turned = turn_to(f"{URL_OF_LIST}&limit={limit}", list(numbers))
    assert turned["previous"] is None
    forwards = [ids(turned)]
    while turned["next"]:
        turned = turn_to(turned["next"], list(numbers))
        forwards.append(ids(turned))
    assert [id for found in forwards for id in found] == sorted(numbers, reverse=True)
    assert all(len(found) == limit for found in forwards[:-1])
    backwards = [ids(turned)]
    while turned["previous"]:
        turned = turn_to(turned["previous"], list(numbers))
        backwards.append(ids(turned))
    assert [id for found in reversed(backwards) for id in found] == sorted(numbers, reverse=True)


def test_new_results_do_not_shift_a_page() -> None:
    first = turn_to(f"{URL_OF_LIST}&limit=2", [1, 2, 3, 4])
    assert ids(turn_to(first["next"], [1, 2, 3, 4, 5, 6])) == [2, 1]


def test_a_page_s_urls_keep_what_the_list_is_filtered_by() -> None:
    url = turn_to(f"{URL_OF_LIST}&limit=1&before=9", [1, 2])["next"]
    assert url.startswith("https://music.example/v1/predictions?")
    assert sorted(parse_qsl(urlsplit(url).query)) == [
        ("before", "2"),
        ("created_after", "2026"),
        ("limit", "1"),
    ]
