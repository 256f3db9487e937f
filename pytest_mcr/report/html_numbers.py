"""The numbers of the HTML report: tables of cells, each with its interval as words and as a small drawing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.hearing import NOT_SHOWN
from pytest_mcr.core.metrics import OVERALL, Metric, Table
from pytest_mcr.report.number_words import NUMBERS, name_of, own_note, remarks, silent, sizes
from pytest_mcr.report.wording import NOTHING, UNSURE, end, figure, safe
from pytest_mcr.run.record import RunRecord

SPANS: Final = {"skill": (-1.0, 1.0), "normalized_accuracy": (0.0, 1.25)}
"""What the drawing of an interval reaches over; 0 to 1 for all others."""
DRAWN: Final = 100
"""Width of a drawing in pixels."""
SUITES: Final = {"confidence": "Confidence", "dominance": "Text dominance", "awareness": "Awareness"}
NOTE_LIMIT: Final = 300
ARM_COLUMNS: Final = (
    ("adversarial", "accuracy", ADVERSARIAL),
    ("faithful", "accuracy", FAITHFUL),
    ("neutral", "accuracy", NEUTRAL),
    ("irrelevant", "accuracy", IRRELEVANT),
    ("gain", "gain", None),
    ("drop", "drop", None),
    ("recovered", "recovered", None),
    ("passes", "passes", None),
)
"""Columns of the repairs: head, metric, condition."""
BASE_KEYS: Final = ("task", "condition", "metric", "value", "low", "high", "n", "note")


@dataclass(frozen=True, slots=True)
class Bar:
    """A number, its interval and a threshold to hold it against, in pixels from the left of `DRAWN`."""

    value: float
    low: float
    high: float
    mark: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One number, or a word in its place.

    Attributes:
        text: the value; `NOTHING` where there is none.
        ends: the interval, e.g. ``.86 - .97``; empty where there is none.
    """

    text: str
    ends: str = ""
    n: int | None = None
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A table of numbers: the head, then rows of a label (with what it means) and cells.

    Attributes:
        notes: what must stand beside the numbers.
    """

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...] = ()


def cell_of(row: Metric | None, *, n: bool = False, threshold: float | None = None) -> Cell:
    """The cell of a row, marked where hearing was not shown."""
    if row is None or row.value is None:
        return Cell(NOTHING)
    mark = UNSURE if NOT_SHOWN in (row.note or "") else ""
    whole = row.low is not None and row.high is not None
    ends = f"[{end(row.low)}, {end(row.high)}]" if whole else ""
    return Cell(figure(row.value) + mark, ends, row.n if n else None, bar_of(row, threshold))


def bar_of(row: Metric, threshold: float | None = None) -> Bar | None:
    """The drawing of a number; None without an interval, and where it has no natural span."""
    spec = METRICS[row.metric]
    span = SPANS.get(row.metric, (0.0, 1.0) if (spec.low, spec.high) == (0.0, 1.0) else None)
    if span is None or row.value is None or row.low is None or row.high is None:
        return None
    value, low, high = (pixels(at, span) for at in (row.value, row.low, row.high))
    return Bar(value, low, high, None if threshold is None else pixels(threshold, span))


def pixels(at: float, span: tuple[float, float]) -> float:
    """Where a value stands in a drawing; what is outside stands at its edge."""
    low, high = span
    return round(DRAWN * min(max((at - low) / (high - low), 0.0), 1.0), 1)


def task_blocks(table: Table) -> list[Block]:
    """The bench numbers: the mean over tasks first, then a block a task."""
    if not table.conditions:
        return []
    tasks = (OVERALL, *table.tasks) if len(table.tasks) > 1 else table.tasks
    return [
        Block(
            "Mean over tasks" if task == OVERALL else task,
            table.conditions,
            tuple(task_rows(table, task)),
            tuple(remarks(table, task)),
        )
        for task in tasks
    ]


def task_rows(table: Table, task: str) -> Iterator[tuple[str, str, tuple[Cell, ...]]]:
    """One row a metric, with one cell a condition."""
    conditions = table.conditions
    yield "n (for TIR)", "", tuple(Cell(sizes(table, task, condition)) for condition in conditions)
    for label, metric in NUMBERS:
        found = [table.get(metric, condition, task) for condition in conditions]
        if any(row is not None for row in found):
            yield label, METRICS[metric].about, tuple(cell_of(row) for row in found)
    about = "unparsed, flagged and error cases"
    yield "unp/fla/err", about, tuple(Cell(silent(table, task, condition)) for condition in conditions)


def suite_blocks(table: Table, suite: str) -> list[Block]:
    """The numbers of another suite: with conditions in columns, or else with tasks; empty where it did not run."""
    names = [name for name, spec in METRICS.items() if spec.suite == suite]
    rows = [row for row in table if row.metric in names and not row.extra]
    with_condition = [row for row in rows if row.condition is not None]
    without = [row for row in rows if row.condition is None]
    blocks = []
    for task in whole_tasks(table, with_condition):
        own = [row for row in with_condition if row.task == task]
        columns = tuple(name for name in CONDITIONS if any(row.condition == name for row in own))
        blocks.append(block_of(name_of(task), columns, own, lambda row: str(row.condition)))
    if without:
        tasks = (OVERALL, *table.tasks) if len(table.tasks) > 1 else table.tasks
        blocks.append(block_of("", tuple(name_of(task) for task in tasks), without, lambda row: name_of(row.task)))
    return [block for block in blocks if block.rows]


def whole_tasks(table: Table, rows: Sequence[Metric]) -> tuple[str, ...]:
    """The mean over tasks where it has any number, else the tasks that have one."""
    measured = {row.task for row in rows if row.value is not None}
    return (OVERALL,) if OVERALL in measured else tuple(task for task in table.tasks if task in measured)


def block_of(name: str, columns: tuple[str, ...], rows: Sequence[Metric], column: Any) -> Block:
    """Rows by metric in the catalogue's order; a metric without any number is told as a note."""
    found = {(row.metric, column(row)): row for row in rows}
    lines, notes = [], []
    for metric, spec in METRICS.items():
        own = [found.get((metric, place)) for place in columns]
        label = metric.partition(".")[2] or metric
        if any(row is not None and row.value is not None for row in own):
            lines.append((label, spec.about, tuple(cell_of(row, n=True) for row in own)))
        else:
            reasons = dict.fromkeys(own_note(row) for row in own if row is not None and own_note(row))
            notes += [f"{label}: {safe('; '.join(reasons), NOTE_LIMIT)}"] if reasons else []
    return Block(name, columns, tuple(lines), tuple(notes))


def robustness_block(table: Table) -> Block | None:
    """MRS of each task and of their mean."""
    tasks = (OVERALL, *table.tasks) if len(table.tasks) > 1 else table.tasks
    rows = [(task, table.get("mrs", None, task), table.get("mrs_uncapped", None, task)) for task in tasks]
    if all(capped is None for _, capped, _ in rows):
        return None
    return Block(
        "",
        ("MRS", "uncapped"),
        tuple((name_of(task), "", (cell_of(capped, n=True), cell_of(raw))) for task, capped, raw in rows),
    )


def repair_block(record: RunRecord) -> Block | None:
    """The repairs, one row an arm with its number in the chart; None where the suite did not run."""
    repairs = record.judgement.repairs
    rows = {(str(row.extra["arm"]), row.metric, row.condition): row for row in repairs.rows if row.task == OVERALL}
    if not rows:
        return None
    lines = []
    for number, name in enumerate(repairs.names, 1):
        cells = tuple(arm_cell(rows.get((name, metric, condition))) for _, metric, condition in ARM_COLUMNS)
        lines.append((f"{number}  {safe(name, 120)}", "", cells))
    notes = [
        f"{safe(name, 120)}: {safe(own_note(row), NOTE_LIMIT)}"
        for name in repairs.names
        if (row := rows.get((name, "gain", None))) is not None and own_note(row)
    ]
    return Block("", tuple(head for head, _, _ in ARM_COLUMNS), tuple(lines), tuple(notes))


def arm_cell(row: Metric | None) -> Cell:
    """The cell of an arm; its forward passes are counted, so they have no interval."""
    return Cell(f"{row.value:g}") if row is not None and row.metric == "passes" and row.value else cell_of(row)


def every_row(record: RunRecord) -> Iterable[tuple[str, ...]]:
    """All rows of ``results.json`` as text: task, metric, condition, what else tells it apart, value, low, high, n."""
    rows: Any = record.to_json()["metrics"]
    for row in rows:
        extra = ", ".join(f"{key} {value}" for key, value in row.items() if key not in BASE_KEYS)
        numbers = (figure(row[key], 4) for key in ("value", "low", "high"))
        yield (
            row["task"],
            row["metric"],
            row["condition"] or NOTHING,
            safe(extra, NOTE_LIMIT),
            *numbers,
            str(row["n"]),
            safe(row.get("note") or "", NOTE_LIMIT),
        )
