"""Line charts as SVG text: no dependency, every foreign word escaped, the same numbers the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from pytest_mcr.report.wording import safe

Span = tuple[float, float]

WIDTH: Final = 640
HEIGHT: Final = 480
LEFT, RIGHT, TOP, BOTTOM = 64, 616, 56, 376
"""Edges of the plot, in pixels; the legend stands below it."""
TICKS: Final = 5
COLOURS: Final = (("#0b62a8", "#6cb6ff"), ("#b45309", "#ffb066"), ("#15803d", "#6fdc8c"), ("#7c3aed", "#c4a1ff"))
"""Of each series on a light and on a dark ground; after the last they begin again."""
DASHES: Final = ("", "7 3", "2 3", "9 3 2 3")
"""Of each series, so that no reader depends on colour."""
NAME_LIMIT: Final = 60
TITLE_LIMIT: Final = 80


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart.

    Attributes:
        name: for the legend.
        points: (x, y), in the order in which they are joined; finite.
        ends: the interval of each point, lower and upper end; empty for none.
        reference: a thin grey line without marks, such as a diagonal.
    """

    name: str
    points: Sequence[tuple[float, float]]
    ends: Sequence[Span] = ()
    reference: bool = False


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    subtitle: str = "",
    x_label: str,
    y_label: str,
    x_span: Span = (0.0, 1.0),
    y_span: Span = (0.0, 1.0),
    styled: bool = True,
) -> str:
    """Draw lines over two axes.

    Args:
        series: the lines; values outside of the spans are drawn at the edge.
        title: one line above the plot, cut to about 80 characters.
        subtitle: a second line, such as what the data is.
        x_label: below the horizontal axis, with its unit.
        y_label: beside the vertical axis, with its unit.
        x_span: least and largest value of the horizontal axis.
        y_span: least and largest value of the vertical axis.
        styled: with its own style sheet; a page that several charts stand in brings one for all.

    Returns:
        A whole SVG document that follows the reader's light or dark scheme.
    """
    plot = Plot(x_span, y_span)
    lines = [
        *head(title, subtitle),
        *axes(plot, x_label, y_label),
    ]
    if styled:
        lines.insert(2, f"<style>{_style(len(series))}</style>")
    for place, one in enumerate(series):
        lines += [*_line(plot, one, place), *_key(one, place)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def head(title: str, subtitle: str, height: int = HEIGHT) -> tuple[str, ...]:
    """The beginning of a chart: its size, its name for who cannot see it, ground and headings."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{plain(title, 200)}">',
        f"<title>{plain(title, 200)}</title>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        f'<text class="head" x="16" y="22">{plain(title, TITLE_LIMIT)}</text>',
        f'<text x="16" y="42">{plain(subtitle, TITLE_LIMIT)}</text>',
    )


@dataclass(frozen=True, slots=True)
class Plot:
    """Turns values into pixels, one decimal."""

    x_span: Span
    y_span: Span

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return round(LEFT + _share(value, self.x_span) * (RIGHT - LEFT), 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return round(BOTTOM - _share(value, self.y_span) * (BOTTOM - TOP), 1)


def _share(value: float, span: Span) -> float:
    width = span[1] - span[0]
    return min(max((value - span[0]) / width, 0.0), 1.0) if width > 0 else 0.5


def plain(text: str, limit: int = NAME_LIMIT) -> str:
    """Foreign text for an SVG."""
    return escape(safe(text, limit))


def _style(count: int) -> str:
    light, dark = (
        "".join(
            f".s{place}{{stroke:{COLOURS[place % len(COLOURS)][scheme]}}}"
            f".m{place}{{fill:{COLOURS[place % len(COLOURS)][scheme]}}}"
            for place in range(count)
        )
        for scheme in (0, 1)
    )
    return (
        "text{font:13px sans-serif;fill:#333}.head{font-weight:bold}.ground{fill:#fff}.axis{stroke:#777}"
        ".grid{stroke:#e4e4e4}.ref{stroke:#888;fill:none}.line{fill:none;stroke-width:2}.end{stroke-width:1}"
        f"{light}@media (prefers-color-scheme:dark){{text{{fill:#ddd}}.ground{{fill:#16181c}}.grid{{stroke:#33363b}}"
        f".axis{{stroke:#999}}{dark}}}"
    )


def axes(plot: Plot, x_label: str, y_label: str) -> Iterator[str]:
    """Grid, ticks and labels of both axes."""
    for tick in range(TICKS + 1):
        x_value, y_value = (low + (high - low) * tick / TICKS for low, high in (plot.x_span, plot.y_span))
        x, y = plot.x(x_value), plot.y(y_value)
        yield f'<path class="grid" d="M{x} {TOP}V{BOTTOM}M{LEFT} {y}H{RIGHT}"/>'
        yield f'<text x="{x}" y="{BOTTOM + 18}" text-anchor="middle">{x_value:.3g}</text>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{y_value:.3g}</text>'
    middle = (TOP + BOTTOM) // 2
    yield f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
    yield f'<text x="{(LEFT + RIGHT) // 2}" y="{BOTTOM + 38}" text-anchor="middle">{plain(x_label)}</text>'
    yield f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{plain(y_label)}</text>'


def _line(plot: Plot, series: Series, place: int) -> Iterator[str]:
    pixels = [(plot.x(x), plot.y(y)) for x, y in series.points]
    path = "M" + "L".join(f"{x} {y}" for x, y in pixels) if pixels else ""
    if series.reference:
        yield f'<path class="ref" stroke-dasharray="3 3" d="{path}"/>'
        return
    for (x, _), (low, high) in zip(pixels, series.ends, strict=False):
        yield f'<path class="end s{place}" d="M{x} {plot.y(low)}V{plot.y(high)}"/>'
    yield f'<path class="line s{place}"{_dash(place)} d="{path}"/>'
    yield from (f'<circle class="m{place}" cx="{x}" cy="{y}" r="3.5"/>' for x, y in pixels)


def _key(series: Series, place: int) -> Iterable[str]:
    x, y = LEFT + 280 * (place % 2), BOTTOM + 60 + 18 * (place // 2)
    look = 'class="ref" stroke-dasharray="3 3"' if series.reference else f'class="line s{place}"{_dash(place)}'
    return (
        f'<path {look} d="M{x} {y}H{x + 32}"/>',
        f'<text x="{x + 40}" y="{y + 4}">{plain(series.name, 32)}</text>',
    )


def _dash(place: int) -> str:
    pattern = DASHES[place % len(DASHES)]
    return f' stroke-dasharray="{pattern}"' if pattern else ""
