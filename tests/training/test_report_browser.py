"""The report in a real browser, opened as a file, as its readers do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from songloom.training.report import write_report
from tests.browser.looking import patiently
from tests.chromium import chromium
from tests.training.summaries import check, clip_pair, summary

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    clips = [clip_pair("waltz, music box", 2.0), clip_pair("x" * 80, 2.0)]
    write_report(path, summary(name="<b>my waltzes</b> " + "y" * 60), clips, check(60))
    return path


@pytest.fixture
def page(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The report in a tab; `request.param` may hold options of the browser."""
    context = browser.new_context(**getattr(request, "param", {}))
    page = context.new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.requests = []
    page.on("request", lambda asked: page.requests.append(asked.url))
    page.goto(report.as_uri())
    yield page
    context.close()


def test_it_opens_without_complaint_and_asks_for_nothing(page: Any, report: Path) -> None:
    page.wait_for_load_state("load")
    assert page.title().startswith("<b>my waltzes</b>")
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith("data:")] == [report.as_uri()]


def test_its_policy_stops_what_would_ask(page: Any) -> None:
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/a'}))")
    for _ in patiently(page):
        if any("Content Security Policy" in problem for problem in page.problems):
            break


def test_clips_can_be_played(page: Any) -> None:
    played = page.evaluate(
        """async () => {
            const times = [];
            for (const player of document.querySelectorAll('audio')) {
                player.muted = true;
                await player.play();
                for (let tries = 0; player.currentTime <= 0.05 && tries < 100; tries++)
                    await new Promise(resolve => setTimeout(resolve, 100));
                player.pause();
                times.push([player.duration, player.currentTime]);
            }
            return times;
        }"""
    )
    assert len(played) == 4
    for duration, moment in played:
        assert duration == pytest.approx(2.0, abs=0.1)
        assert moment > 0.05


def test_pictures_are_pictures(page: Any) -> None:
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert widths == [480] * 4


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": width, "height": 800}} for width in (360, 1280)], indirect=True
)
def test_nothing_is_wider_than_the_screen(page: Any) -> None:
    for summary_line in page.query_selector_all("summary"):
        summary_line.click()
    too_wide = page.evaluate(
        """[...document.querySelectorAll('body *')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .filter(e => !e.closest('.scroll'))
            .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert too_wide == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# Contrast by WCAG 2.2, 1.4.3: 4.5 for text.
CONTRASTS = """() => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(Number)
            .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour === 'rgba(0, 0, 0, 0)' ? ground(element.parentElement) : colour;
    };
    const texts = [...document.querySelectorAll('body *')].filter(element =>
        [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
    return texts.filter(element => !element.closest('svg')).map(element => {
        const pair = [getComputedStyle(element).color, ground(element)].map(light);
        const [low, high] = pair.sort((a, b) => a - b);
        return [(high + 0.05) / (low + 0.05), element.outerHTML.slice(0, 80)];
    });
}"""


@pytest.mark.parametrize(
    "page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True
)
def test_text_stands_out(page: Any) -> None:
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert min(contrasts)[0] >= 4.5, min(contrasts)


def test_light_and_dark_differ(browser: Any, report: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(report.as_uri())
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert grounds[0] != grounds[1]
