"""Charts: scales, lines and tables as numbers, not as looks."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.training.charts import (
    MOST_POINTS,
    Line,
    bar_table,
    line_chart,
    number_text,
    smooth_points,
    span_of,
    thin_points,
)

AREA_PATHS = ".//div[@class='area']//path"  # without those of the legend
values = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(st.lists(values, min_size=1))
def test_a_span_holds_its_values_between_round_ticks(numbers: list[float]) -> None:
    span = span_of(numbers)
    slack = 1e-9 * max(1, abs(span.low), abs(span.high))
    assert span.low - slack <= min(numbers)
    assert max(numbers) <= span.high + slack
    assert 2 <= len(span.ticks) <= 6
    steps = [b - a for a, b in zip(span.ticks, span.ticks[1:], strict=False)]
    assert max(steps) == pytest.approx(min(steps))
    digits = f"{steps[0]:.6e}".split("e")[0].rstrip("0").rstrip(".")
    assert digits in ("1", "2", "2.5", "5")


@given(st.lists(st.tuples(values, values), min_size=1, max_size=1000))
def test_thinning_keeps_the_mean_and_the_order(points: list[tuple[float, float]]) -> None:
    points.sort()
    thin = thin_points(points, 10)
    assert len(thin) == min(10, len(points))
    assert [x for x, _ in thin] == pytest.approx(sorted(x for x, _ in thin))
    if len(points) % 10 == 0:
        means = (sum(y for _, y in line) / len(line) for line in (points, thin))
        assert next(means) == pytest.approx(next(means), abs=1e-6)


def test_smoothing_evens_out_noise_and_keeps_slopes() -> None:
    line = [(float(x), 0.5 * x + (x % 2)) for x in range(1000)]
    smooth = smooth_points(line)
    assert [x for x, _ in smooth] == [x for x, _ in line]
    assert all(y == pytest.approx(0.5 * x + 0.5, abs=0.05) for x, y in smooth[100:-100])


def chart_of(lines: list[Line], hover: list[tuple[float, str]]) -> ElementTree.Element:
    chart = line_chart(lines, label="a <label>", x_name="updates", y_name="nats", hover=hover)
    return ElementTree.fromstring(chart)


def test_points_lie_where_the_axes_say() -> None:
    chart = chart_of([Line("loss", [(0, 4.0), (50, 3.0), (100, 2.0)], "training")], [])
    (path,) = [p for p in chart.iterfind(AREA_PATHS) if p.get("class") == "training"]
    numbers = [float(number) for number in re.findall(r"[\d.]+", path.get("d") or "")]
    assert numbers == [0, 0, 500, 500, 1000, 1000]
    across, up = (
        [span.text for span in chart.iterfind(f".//div[@class='{side}']/span")]
        for side in ("across", "up")
    )
    assert (across[0], across[-1], up[0], up[-1]) == ("0", "100", "2", "4")


def test_every_place_can_be_pointed_at() -> None:
    hover = [(float(x), f"update {x} & more") for x in (0, 10, 60, 100)]
    chart = chart_of([Line("loss", [(x, x) for x, _ in hover], "training")], hover)
    bands = chart.findall(".//rect")
    assert [band.findtext("title") for band in bands] == [text for _, text in hover]
    edges = [(float(b.get("x") or 0), float(b.get("width") or 0)) for b in bands]
    assert edges == [(0, 50), (50, 300), (350, 450), (800, 200)]


def test_what_is_not_finite_is_left_out() -> None:
    points = [(0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (3.0, 2.0)]
    chart = chart_of([Line("loss", points, "training"), Line("none", [], "raw")], [])
    assert "nan" not in ElementTree.tostring(chart, "unicode")
    assert [item.findtext(".") or item[0].tail for item in chart.iterfind(".//li")] == ["loss"]


def test_nothing_measured_is_said() -> None:
    assert "Nothing was measured" in line_chart([], label="", x_name="", y_name="", hover=[])


def test_a_single_point_is_a_dot() -> None:
    chart = chart_of([Line("loss", [(60, 3.0)], "training")], [(60, "update 60")])
    assert any("h0" in (path.get("d") or "") for path in chart.iterfind(AREA_PATHS))


def test_long_lines_are_thinned() -> None:
    chart = chart_of([Line("loss", [(x, 1.0) for x in range(100_000)], "training")], [])
    (path,) = (p for p in chart.iterfind(".//path") if "L" in (p.get("d") or ""))
    assert (path.get("d") or "").count("L") == MOST_POINTS - 1


def test_bars_show_counts_and_sum_up_the_rest() -> None:
    counts = {f"<genre {number}>": 20 - number for number in range(12)}
    table = ElementTree.fromstring(bar_table("genre", counts))
    rows = [
        ("".join(row[0].itertext()), row[1][0].get("style"), row[2].text)
        for row in table.iterfind("tbody/tr")
    ]
    assert len(rows) == 8
    assert rows[0] == ("<genre 0>", "width:36.4%", "20")
    assert rows[-1] == ("5 others", "width:100.0%", "55")
    assert sum(int(count or 0) for _, _, count in rows) == sum(counts.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1500, "1,500"), (0.25, "0.25"), (0.30000000000000004, "0.3"), (2e-5, "2.0e-05")],
)
def test_numbers_as_people_write_them(value: float, text: str) -> None:
    assert number_text(value) == text
