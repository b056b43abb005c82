"""Charts as HTML.

The lines are SVG that stretches to any width; the words around them are text that keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from songloom.training.markup import escape, quote_text

MOST_POINTS = 400
"""Points of a line; of more, neighbours are averaged. A screen shows no more anyway."""
SMOOTHING = 0.05
"""Width of the smoothed line's window, as a share of the whole line."""
MOST_BARS = 8

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    points: Sequence[Point]
    """x and y, by growing x; those that are not finite are left out."""
    style: str
    """Class of the page's style sheet: its colour, width and dashes."""
    dots: bool = False
    """Whether each point is marked."""


@dataclass(frozen=True)
class Span:
    """A range of values, and where its labels go."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)


def span_of(values: Sequence[float], most_ticks: int = 6) -> Span:
    """A range around `values` that begins and ends at round numbers, which are its ticks."""
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / (most_ticks - 1)
    magnitude = 10.0 ** math.floor(math.log10(rough))
    # A range that is out of step with its ticks needs one tick more than it has steps.
    steps = (magnitude * factor for factor in (1, 2, 2.5, 5, 10, 20))
    step = next(s for s in steps if math.ceil(high / s) - math.floor(low / s) < most_ticks)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = tuple(step * number for number in range(first, last + 1))
    return Span(ticks[0], ticks[-1], ticks)


def line_chart(
    lines: Sequence[Line],
    *,
    label: str,
    x_name: str,
    y_name: str,
    hover: Sequence[tuple[float, str]],
) -> str:
    """Draw lines over common axes.

    Args:
        lines: what to draw, the last on top; empty ones are left out.
        label: what the chart shows, for those who don't see it.
        x_name: what goes to the right, with its unit.
        y_name: what goes up, with its unit.
        hover: places on the x axis, and what is said there under a pointer.
    """
    drawn = [(line, thin_points(_drop_infinite(line.points))) for line in lines]
    drawn = [(line, points) for line, points in drawn if points]
    if not drawn:
        return '<p class="quiet">Nothing was measured.</p>'
    everything = [point for _, points in drawn for point in points]
    # The x axis ends where the lines do.
    start, end = min(x for x, _ in everything), max(x for x, _ in everything)
    ticks = span_of([start, end]).ticks
    across = Span(start, max(end, start + 1), tuple(x for x in ticks if start <= x <= end))
    up = span_of([y for _, y in everything])
    shapes = [
        *(f'<path class="grid" d="M0 {_y(up, tick)}H1000"/>' for tick in up.ticks),
        *(_path(line, points, across, up) for line, points in drawn),
        *_hover_bands(hover, across),
    ]
    legend = "".join(_legend_entry(line.name, line.style, len(points)) for line, points in drawn)
    picture = (
        f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(shapes)}</svg>'
    )
    return (
        f'<figure class="chart"><ul class="legend">{legend}</ul>'
        f'<p class="axis-name">{escape(y_name)}</p>'
        + plot(
            picture,
            [(across.share(x), number_text(x)) for x in across.ticks],
            [(up.share(y), number_text(y)) for y in up.ticks],
        )
        + f'<p class="axis-name below">{escape(x_name)}</p></figure>'
    )


def plot(picture: str, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]]) -> str:
    """Put labels around a picture; their places are shares of its width and height."""
    left = "".join(f'<span style="bottom:{100 * at:.2f}%">{escape(text)}</span>' for at, text in up)
    below = "".join(
        f'<span style="left:{100 * at:.2f}%">{escape(text)}</span>' for at, text in across
    )
    return (
        f'<div class="plot"><div class="up" aria-hidden="true">{left}</div>'
        f'<div class="area">{picture}</div>'
        f'<div class="across" aria-hidden="true">{below}</div></div>'
    )


def bar_table(heading: str, counts: Mapping[str, int]) -> str:
    """A table of counts with a bar beside each; the least frequent are summed up."""
    shown = list(counts.items())
    if len(shown) > MOST_BARS:
        others = shown[MOST_BARS - 1 :]
        sum_of_others = sum(count for _, count in others)
        shown = [*shown[: MOST_BARS - 1], (f"{len(others)} others", sum_of_others)]
    longest = max((count for _, count in shown), default=1)
    cells = "".join(
        f'<tr><th scope="row">{quote_text(name)}</th>'
        f'<td class="bar" aria-hidden="true"><i style="width:{100 * count / longest:.1f}%"></i>'
        f'</td><td class="number">{count}</td></tr>'
        for name, count in shown
    )
    return (
        f'<table class="bars"><caption>{escape(heading)}</caption>'
        f'<thead class="unseen"><tr><th scope="col">{escape(heading)}</th><td></td>'
        f'<th scope="col">songs</th></tr></thead><tbody>{cells}</tbody></table>'
    )


def thin_points(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: each the mean of a stretch of neighbours."""
    if len(points) <= most:
        return list(points)
    edges = [len(points) * number // most for number in range(most + 1)]
    return [_mean(points[start:end]) for start, end in pairwise(edges)]


def smooth_points(points: Sequence[Point]) -> list[Point]:
    """The running mean of `points`, over those of a window around each."""
    reach = max(1, round(len(points) * SMOOTHING / 2))
    sums = [0.0]
    for _, y in points:
        sums.append(sums[-1] + y)
    line = []
    for index, (x, _) in enumerate(points):
        start, end = max(0, index - reach), min(len(points), index + reach + 1)
        line.append((x, (sums[end] - sums[start]) / (end - start)))
    return line


def number_text(value: float) -> str:
    """A number as people write it: "1,500", "0.25"."""
    return f"{value:,.10g}" if abs(value) < 1e-9 or abs(value) >= 1e-3 else f"{value:.1e}"


def _drop_infinite(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]


def _mean(points: Sequence[Point]) -> Point:
    xs, ys = zip(*points, strict=True)
    return sum(xs) / len(xs), sum(ys) / len(ys)


def _x(across: Span, value: float) -> str:
    return f"{1000 * across.share(value):.1f}"


def _y(up: Span, value: float) -> str:
    return f"{1000 * (1 - up.share(value)):.1f}"


def _path(line: Line, points: Sequence[Point], across: Span, up: Span) -> str:
    places = [f"{_x(across, x)} {_y(up, y)}" for x, y in points]
    shape = f'<path class="{line.style}" d="M{"L".join(places)}"/>'
    if line.dots or len(points) == 1:
        # A line of no length with round ends is a dot that keeps its shape when stretched.
        shape += f'<path class="{line.style} dots" d="{"".join(f"M{at}h0" for at in places)}"/>'
    return shape


def _legend_entry(name: str, style: str, points: int) -> str:
    sample = f'class="{style} dots" d="M12 4h0"' if points == 1 else f'class="{style}" d="M1 4H23"'
    return (
        f'<li><svg class="key" viewBox="0 0 24 8" aria-hidden="true"><path {sample}/></svg>'
        f"{escape(name)}</li>"
    )


def _hover_bands(hover: Sequence[tuple[float, str]], across: Span) -> list[str]:
    """Unseen areas, from the middle between neighbours to the next, with a text each."""
    if not hover:
        return []
    places = [1000 * across.share(x) for x, _ in hover]
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(places)), 1000.0]
    return [
        f'<rect class="hover" x="{start:.1f}" width="{end - start:.1f}" height="1000">'
        f"<title>{escape(text)}</title></rect>"
        for (start, end), (_, text) in zip(pairwise(edges), hover, strict=True)
    ]
