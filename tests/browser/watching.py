"""What goes wrong in a page while a test uses it: nothing may, save what the test names before."""

import re
from typing import Any


class Watch:
    """Keeps the problems of all pages of a browser context.

    Problems are messages of warnings and errors in the console, errors that nobody caught, requests
    that failed, and requests to anyone but the server.

    Args:
        context: of playwright.
    """

    def __init__(self, context: Any) -> None:
        self._url = ""
        self._problems: list[str] = []
        self._expected: list[str] = []
        context.on("console", self._said)
        context.on("weberror", lambda error: self._add(f"error: {error.error}"))
        context.on("request", self._asked)
        context.on("requestfailed", self._failed)

    def start(self, url: str) -> None:
        """Forget the problems of earlier tests.

        Args:
            url: of the server.
        """
        self._url = url
        self._problems.clear()
        self._expected.clear()

    def expect(self, *patterns: str) -> None:
        """Say which problems the test itself is about to cause."""
        self._expected += patterns

    def unexpected(self) -> list[str]:
        """The problems that nobody expected."""
        return [
            problem
            for problem in self._problems
            if not any(re.search(pattern, problem) for pattern in self._expected)
        ]

    def _add(self, problem: str) -> None:
        self._problems.append(problem)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning", "assert"):
            self._add(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self._add(f"request to another host: {request.url}")

    def _failed(self, request: Any) -> None:
        # The page itself ends requests that it needs no more: streams of events, players' audio.
        if request.failure != "net::ERR_ABORTED":
            self._add(f"request failed: {request.failure} ({request.url})")
