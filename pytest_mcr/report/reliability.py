"""The reliability diagram: share of right answers by confidence, with and without a false text, as text and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL
from pytest_mcr.core.metrics import Metric, Table
from pytest_mcr.report.results import replace_file
from pytest_mcr.report.sentences import model_name, title
from pytest_mcr.report.svg_chart import Series, line_chart
from pytest_mcr.report.wording import end, figure
from pytest_mcr.run.record import RunRecord

FILE: Final = "reliability.svg"
SHOWN: Final = (NEUTRAL, ADVERSARIAL)
BAR: Final = 20
"""Characters of a bar."""


def bins(table: Table, condition: str) -> dict[str, Metric]:
    """The bins of a condition over all tasks, by name, from low to high confidence."""
    return {str(row.extra["bin"]): row for row in table.where("reliability", condition)}


def text_rows(table: Table) -> list[tuple[str, ...]]:
    """The diagram as text: the head, then a row a bin, from high to low confidence; empty without any bin.

    A bar's ``#`` reach to the share of right answers, its ``|`` stands at the mean confidence.
    """
    found = {condition: bins(table, condition) for condition in SHOWN if bins(table, condition)}
    names = sorted({name for rows in found.values() for name in rows}, reverse=True)
    if not names:
        return []
    head = ("confidence", *(f"{condition}: right" for condition in found))
    return [head, *((_short(name), *(_bar(rows.get(name)) for rows in found.values())) for name in names)]


def _short(name: str) -> str:
    low, high = name.split("-")
    return f"{end(float(low))}-{end(float(high))}"


def _bar(row: Metric | None) -> str:
    if row is None or row.value is None:
        return ""
    full = round(row.value * BAR)
    marks = ["#"] * full + ["."] * (BAR - full)
    marks[min(int(float(row.extra["confidence"]) * BAR), BAR - 1)] = "|"
    return f"{''.join(marks)} {figure(row.value)} of {row.n}"


def svg(record: RunRecord, *, styled: bool = True) -> str | None:
    """The diagram as an SVG document, None where no answer has a confidence."""
    table = record.judgement.table
    lines = [
        Series(f"{condition} ({sum(row.n for row in found)} answers)", _points(found), _ends(found))
        for condition in SHOWN
        if (found := list(bins(table, condition).values()))
    ]
    if not lines:
        return None
    calibrated = Series("calibrated", [(0.0, 0.0), (1.0, 1.0)], reference=True)
    return line_chart(
        [*lines, calibrated],
        title=f"Reliability of {model_name(record)}",
        subtitle=title(record).removeprefix(f"{model_name(record)} on "),  # a line of its own: synthetic data says so
        x_label="confidence",
        y_label="share of right answers",
        styled=styled,
    )


def _points(rows: Sequence[Metric]) -> list[tuple[float, float]]:
    return [(float(row.extra["confidence"]), row.value or 0.0) for row in rows]


def _ends(rows: Sequence[Metric]) -> list[tuple[float, float]]:
    return [(row.low or 0.0, 1.0 if row.high is None else row.high) for row in rows]


def write(record: RunRecord, out: Path) -> None:
    """Write the diagram beside the results; one of an earlier run into the same folder goes where there is none.

    Raises:
        OSError: the folder cannot be written.
    """
    text = svg(record)
    if text is None:
        (out / FILE).unlink(missing_ok=True)
    else:
        replace_file(out / FILE, text)
