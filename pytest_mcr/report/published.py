"""Figures that papers print for MCR-BENCH: shown beside a run of the release itself, and nowhere else."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.metrics import Metric, Table
from pytest_mcr.report.sentences import subject
from pytest_mcr.report.wording import NOTHING
from pytest_mcr.run.record import RunRecord

FILE: Final = Path(__file__).parent / "data" / "published.csv"
BENCHMARK: Final = "MCR-BENCH"
RELEASE: Final = "release"

Column = tuple[str, str]
"""Task and condition."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed number, as its row in the file has it."""

    source: str
    benchmark: str
    model: str
    task: str
    condition: str
    metric: str
    method: str
    value: str
    unit: str
    n: str
    protocol: str

    def shown(self) -> str:
        """The value with its unit, exactly as printed."""
        return f"{self.value} %" if self.unit == "percent" else f"{self.value} {self.unit}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Accuracies of one source under one protocol.

    Attributes:
        columns: tasks and conditions that the source prints and this run measured.
        ours: this run's values, one a column.
        rows: model with its repair, and one value a column.
    """

    source: str
    protocol: str
    n: str
    columns: tuple[Column, ...]
    subject: str
    ours: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def comparisons(record: RunRecord) -> list[Comparison]:
    """The tables of published accuracies; none for any data but the release."""
    if record.dataset["kind"] != RELEASE:
        return []
    table = record.judgement.table
    known = [figure for figure in figures() if is_comparable(figure, table)]
    sources = dict.fromkeys((figure.source, figure.protocol) for figure in known)
    return [
        compared(record, [figure for figure in known if (figure.source, figure.protocol) == key]) for key in sources
    ]


def others(record: RunRecord) -> list[Figure]:
    """What is published about the benchmark and stands in no table: other numbers, conditions that are not clear."""
    if record.dataset["kind"] != RELEASE:
        return []
    return [figure for figure in figures() if not is_comparable(figure, record.judgement.table)]


def figures() -> Iterator[Figure]:
    """The file's rows on this benchmark."""
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["benchmark"] == BENCHMARK:
                yield Figure(**row)


def is_comparable(figure: Figure, table: Table) -> bool:
    """Whether this run has a number of that task and condition."""
    return figure.metric == "accuracy" and table.get("accuracy", figure.condition, figure.task) is not None


def compared(record: RunRecord, known: Sequence[Figure]) -> Comparison:
    """The table of one source."""
    seen = {(figure.task, figure.condition) for figure in known}
    table = record.judgement.table
    columns = tuple((task, name) for task in table.tasks for name in CONDITIONS if (task, name) in seen)
    values = {(named(figure), (figure.task, figure.condition)): figure.shown() for figure in known}
    names = dict.fromkeys(named(figure) for figure in known)
    return Comparison(
        source=known[0].source,
        protocol=known[0].protocol,
        n=known[0].n,
        columns=columns,
        subject=subject(record),
        ours=tuple(percent(table.get("accuracy", condition, task)) for task, condition in columns),
        rows=tuple((name, tuple(values.get((name, column), NOTHING) for column in columns)) for name in names),
    )


def named(figure: Figure) -> str:
    """A model with its repair."""
    return figure.model if figure.method == "none" else f"{figure.model} + {figure.method}"


def percent(row: Metric | None) -> str:
    """Our number in the papers' unit, with its interval and n."""
    if row is None or row.value is None:
        return NOTHING
    ends = "" if row.low is None or row.high is None else f" [{100 * row.low:.1f}, {100 * row.high:.1f}]"
    return f"{100 * row.value:.1f} %{ends}, n {row.n}"
