"""What the other tests rely on: that faults of a page are noticed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.browser.conftest import watched_page
from tests.browser.looking import DESKTOP, PHONE, faults, patiently, smoothness, too_wide

pytestmark = pytest.mark.browser


@contextmanager
def site(html: str) -> Iterator[str]:
    """A site of one page; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = html.encode()
            self.send_response(404 if "missing" in self.path else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


PAGE = """<!doctype html><html lang="en"><title>t</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><main><h1>t</h1>{}</main>"""


@pytest.fixture
def showing(browser: Any) -> Callable[..., Any]:
    @contextmanager
    def show(body: str, **options: Any) -> Iterator[Any]:
        with site(PAGE.format(body)) as url, watched_page(browser, url, **options) as page:
            yield page

    return show


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<script>console.error('alas')</script>", "error: alas"),
        ("<script>console.warn('hm')</script>", "warning: hm"),
        ("<script>nobody.knows</script>", "nobody is not defined"),
        ("<script>Promise.reject(new Error('uncaught'))</script>", "uncaught"),
        ("<img src='/missing.png' alt=''>", "404"),
        ("<img src='http://127.0.0.1:9/a.png' alt=''>", "request to another host"),
    ],
)
def test_faults_are_noticed(showing: Callable[..., Any], body: str, problem: str) -> None:
    with showing(body) as page:
        for _ in patiently(page):
            if any(problem in found for found in page.watch.unexpected()):
                break
        page.watch.expect(".")


def test_a_page_without_faults_has_none(showing: Callable[..., Any]) -> None:
    with showing("<p>All is well.</p>", **PHONE) as page:
        assert too_wide(page) == []
        assert faults(page) == []


def test_wide_things_and_faint_ones_are_noticed(showing: Callable[..., Any]) -> None:
    with showing("<p style='width: 500px; color: #ddd'>Faint</p>", **PHONE) as page:
        assert "Faint" in too_wide(page)[0]
        assert "color-contrast" in faults(page)[0]


def test_slow_frames_are_noticed(showing: Callable[..., Any]) -> None:
    # Work of a processor's, not of a clock's: a busy machine gives the page little in 200 ms.
    block = "if (i === 5) { let n = 0; while (n < 4e8) n += 1; window.counted = n; }"
    with showing("", **DESKTOP) as page:
        blocked, idle = (smoothness(page, action, frames=20) for action in (block, ""))
        assert blocked.frames[0] > 50
        assert blocked.work > idle.work + 3
