"""Charts: well-formed whatever the words, the same bytes for the same numbers, values where they belong."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.report.svg_chart import BOTTOM, LEFT, RIGHT, TOP, Series, line_chart

NAMESPACE = "{http://www.w3.org/2000/svg}"
FINITE = st.floats(-1e6, 1e6)
SPANS = st.tuples(FINITE, FINITE).map(sorted).map(tuple)


def chart(*series: Series, title: str = "t") -> str:
    return line_chart(series, title=title, x_label="x, s", y_label="y")


def circles(text: str) -> list[tuple[float, float]]:
    return [
        (float(c.attrib["cx"]), float(c.attrib["cy"])) for c in ElementTree.fromstring(text).iter(f"{NAMESPACE}circle")
    ]


@settings(deadline=None, max_examples=60)
@given(st.text(), st.text(), st.lists(st.tuples(FINITE, FINITE), max_size=6), SPANS, SPANS)
def test_well_formed_and_inside_the_plot_whatever_is_drawn(
    name: str, title: str, points: list[tuple[float, float]], x_span: tuple[float, float], y_span: tuple[float, float]
) -> None:
    series = Series(name, points, [(y - 1, y + 1) for _, y in points])
    text = line_chart([series], title=title, x_label=name, y_label=title, x_span=x_span, y_span=y_span)
    assert "nan" not in text.replace(name, "").replace(title, "") or "nan" in name + title
    for x, y in circles(text):
        assert LEFT <= x <= RIGHT
        assert TOP <= y <= BOTTOM
    assert text == line_chart([series], title=title, x_label=name, y_label=title, x_span=x_span, y_span=y_span)


def test_values_stand_where_the_axes_say() -> None:
    found = circles(chart(Series("one", [(0, 0), (0.5, 1), (1, 0.25)])))
    assert found == [(LEFT, BOTTOM), ((LEFT + RIGHT) / 2, TOP), (RIGHT, BOTTOM - 0.25 * (BOTTOM - TOP))]


def test_words_are_escaped_and_references_bear_no_marks() -> None:
    text = chart(
        Series("</svg><script>", [(0, 0)]), Series("even", [(0, 0), (1, 1)], reference=True), title="a & \x1b[31m"
    )
    assert "<script>" not in text
    assert "\x1b" not in text
    words = [element.text for element in ElementTree.fromstring(text).iter(f"{NAMESPACE}text")]
    assert "</svg><script>" in words
    assert "even" in words
    assert len(circles(text)) == 1


def test_intervals_are_drawn_and_series_differ_without_colour() -> None:
    ends = [(0.2, 0.8)]
    root = ElementTree.fromstring(chart(Series("a", [(0.5, 0.5)], ends), Series("b", [(0, 0), (1, 1)])))
    paths = {path.attrib["class"]: path.attrib for path in root.iter(f"{NAMESPACE}path")}
    assert "end s0" in paths
    assert paths["line s0"].get("stroke-dasharray") != paths["line s1"].get("stroke-dasharray")
    assert "prefers-color-scheme:dark" in "".join(root.itertext())
