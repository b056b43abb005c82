"""What tests look at in a page: its accessibility, its width, its smoothness."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.tools import AXE
from tests.waiting import PATIENCE

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}


def patiently(page: Any) -> Iterator[None]:
    """Let a page go on between looks at it, until whoever looks has seen enough."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        yield
        page.wait_for_timeout(50)
    raise AssertionError("what should have happened in the page has not")


def until(page: Any, expression: str) -> None:
    """Wait until an expression of JavaScript holds; playwright's own way needs a laxer policy."""
    for _ in patiently(page):
        if page.evaluate(expression):
            break


def faults(page: Any) -> list[str]:
    """What axe-core finds that keeps people out: its serious and critical faults."""
    if not AXE.is_file():
        pytest.skip("no axe-core: make tests/browser/node_modules")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [
        f"{fault['id']}: {fault['help']}\n{node['html'][:200]}\n{node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def too_wide(page: Any) -> list[str]:
    """What reaches beyond the right edge of the screen; empty where nobody has to scroll there."""
    found: list[str] = page.evaluate(
        """() => {
            const root = document.documentElement;  // innerWidth grows on phones
            return root.scrollWidth <= root.clientWidth ? [] :
                [...document.querySelectorAll('body *')]
                    .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1)
                    .map(e => e.outerHTML.slice(0, 120));
        }"""
    )
    return found


@dataclass(frozen=True)
class Smoothness:
    """How a page moved while something was done in it."""

    frames: list[float]
    """Milliseconds between frames, the longest first; on a busy machine they tell little."""
    work: float
    """Milliseconds of a processor that the page took for a frame, on average."""


def smoothness(page: Any, action: str, *, frames: int = 120) -> Smoothness:
    """Do something in a page frame by frame.

    Args:
        page: of playwright.
        action: body of a JavaScript function, called before each frame with its number as `i`.
        frames: how many.
    """
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        metrics = tools.send("Performance.getMetrics")["metrics"]
        return 1000 * sum(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = worked()
    times: list[float] = page.evaluate(
        f"""() => new Promise(resolve => {{
            const act = i => {{ {action} }};
            const times = [];
            let last = performance.now();
            const frame = now => {{
                times.push(now - last);
                last = now;
                if (times.length > {frames}) resolve(times.slice(1));
                else {{ act(times.length - 1); requestAnimationFrame(frame); }}
            }};
            requestAnimationFrame(frame);
        }})"""
    )
    work = (worked() - before) / frames
    tools.detach()
    return Smoothness(sorted(times, reverse=True), work)
