"""The mitigation frontier as SVG: what each repair gains under false texts against what it costs under true ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.metrics import OVERALL, Metric
from pytest_mcr.report.sentences import model_name, title
from pytest_mcr.report.svg_chart import BOTTOM, TICKS, Plot, Span, axes, head
from pytest_mcr.run.record import RunRecord

STEPS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4)
"""Of an axis, from tick to tick; differences of shares lie within -1 and 1."""
HEIGHT: Final = BOTTOM + 56
"""Pixels; there is no legend below the axis."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One arm.

    Attributes:
        number: as in the table beside the chart.
        drop: faithful accuracy lost, with its interval.
        gain: adversarial accuracy won, with its interval.
    """

    number: int
    drop: Metric
    gain: Metric


def svg(record: RunRecord) -> str | None:
    """The chart over all tasks, None where fewer than two arms have both numbers; its page brings the style."""
    marks = marks_of(record)
    if len(marks) < 2:
        return None
    plot = Plot(span([mark.drop for mark in marks]), span([mark.gain for mark in marks]))
    return "\n".join(
        [
            *head(
                f"Repairs of {model_name(record)}: gain against cost",
                title(record).removeprefix(f"{model_name(record)} on "),
                HEIGHT,
            ),
            *axes(plot, "faithful accuracy lost", "adversarial accuracy won"),
            f'<path class="ref" stroke-dasharray="3 3" d="{steps(plot, marks)}"/>',
            *(line for mark in marks for line in drawn(plot, mark)),
            "</svg>\n",
        ]
    )


def marks_of(record: RunRecord) -> list[Mark]:
    """The arms that have both numbers, numbered in their order in the table."""
    repairs = record.judgement.repairs
    rows = {(str(row.extra["arm"]), row.metric): row for row in repairs.rows if row.task == OVERALL}
    marks = []
    for number, name in enumerate(repairs.names, 1):
        drop, gain = rows.get((name, "drop")), rows.get((name, "gain"))
        if drop is not None and gain is not None and drop.value is not None and gain.value is not None:
            marks.append(Mark(number, drop, gain))
    return marks


def span(rows: Sequence[Metric]) -> Span:
    """An axis with ticks at round numbers that holds zero, every number and every interval."""
    values = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    low, high = min(0.0, *values), max(0.0, *values)
    for step in STEPS:
        start = math.floor(low / step) * step
        if start + TICKS * step >= high:
            break
    return round(start, 4), round(start + TICKS * step, 4)


def best(marks: Sequence[Mark]) -> list[Mark]:
    """The arms that no other beats in both numbers, from the cheapest on."""
    found: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.drop.value or 0.0, -(mark.gain.value or 0.0), mark.number)):
        if not found or (mark.gain.value or 0.0) > (found[-1].gain.value or 0.0):
            found.append(mark)
    return found


def steps(plot: Plot, marks: Sequence[Mark]) -> str:
    """The frontier as steps: what can be won for at most this cost."""
    path = ""
    for mark in best(marks):
        x, y = plot.x(mark.drop.value or 0.0), plot.y(mark.gain.value or 0.0)
        path += f"H{x}V{y}" if path else f"M{x} {y}"
    return f"{path}H{plot.x(plot.x_span[1])}"


def drawn(plot: Plot, mark: Mark) -> Iterator[str]:
    """An arm: both intervals and its number on a disc."""
    x, y = plot.x(mark.drop.value or 0.0), plot.y(mark.gain.value or 0.0)
    for row, path in ((mark.drop, "M{} {y}H{}"), (mark.gain, "M{x} {}V{}")):
        if row.low is not None and row.high is not None:
            place = plot.x if row is mark.drop else plot.y
            yield f'<path class="end s0" d="{path.format(place(row.low), place(row.high), x=x, y=y)}"/>'
    yield f'<circle class="m0" cx="{x}" cy="{y}" r="9"/>'
    yield f'<text class="number" x="{x}" y="{y + 4}" text-anchor="middle">{mark.number}</text>'
