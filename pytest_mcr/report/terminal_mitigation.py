"""The summary's part on repairs: one row an arm, what it gains and what it costs, the hard switch always among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL
from pytest_mcr.core.metrics import OVERALL, Metric
from pytest_mcr.core.repaired import Repaired
from pytest_mcr.report.number_words import cell, name_of, own_note
from pytest_mcr.report.terminal_tables import grid
from pytest_mcr.report.wording import NOTHING, count, figure, safe
from pytest_mcr.run.record import RunRecord

ACCURACIES: Final = (ADVERSARIAL, FAITHFUL, NEUTRAL, IRRELEVANT)
CHANGES: Final = (
    ("gain", "gain"),
    ("drop", "drop"),
    ("recovered", "recovered"),
    ("passes", "passes"),
)
"""Columns of the second table: head, metric."""
ASIDE: Final = (("irrelevant drop", "irrelevant_drop"), ("neutral change", "neutral_change"))
"""Columns of the third."""
LEGEND: Final = (
    "gain: adversarial accuracy won; drop: faithful accuracy lost; recovered: gain as a share of what never seeing the "
    "text would gain (hard-switch is the line to beat). Rules on scores are held against joint, rules in free "
    "generation against joint?decode=generate, prompts against prompt:none, on the same clips. passes: forward passes "
    "of the model an answer; a branch that is written out counts as one."
)
NOTE_LIMIT: Final = 160

Rows = dict[tuple[str, str, str | None], Metric]


def mitigation(record: RunRecord) -> Iterator[RenderableType]:
    """Everything that the suite compared; nothing where it did not run.

    Means over tasks, or the tasks that have numbers where some arm has none over all.
    """
    repairs = record.judgement.repairs
    if not repairs.rows:
        return
    tasks = shown_tasks(repairs)
    yield from _basis(repairs.selection, max(row.n for row in repairs.rows if row.metric == "passes"))
    for task in tasks:
        yield from _tables(repairs, rows_of_task(repairs, task), name_of(task))
    for task in tasks or (OVERALL,):
        where = "" if task == OVERALL else f" in {safe(task)}"
        yield from _remarks(repairs, rows_of_task(repairs, task), where)
    yield Text(LEGEND)


def rows_of_task(repairs: Repaired, task: str) -> Rows:
    """Rows by arm, metric and condition."""
    return {(str(row.extra["arm"]), row.metric, row.condition): row for row in repairs.rows if row.task == task}


def shown_tasks(repairs: Repaired) -> tuple[str, ...]:
    """The mean over tasks where the unrepaired answers have one, else the tasks in which any arm has a gain."""
    joint = rows_of_task(repairs, OVERALL).get(("joint", "accuracy", ADVERSARIAL))
    if joint is not None and joint.value is not None:
        return (OVERALL,)
    measured = [row.task for row in repairs.rows if row.metric == "gain" and row.value is not None]
    return tuple(task for task in dict.fromkeys(measured) if task != OVERALL)


def _tables(repairs: Repaired, rows: Rows, task: str) -> Iterator[RenderableType]:
    accuracy = grid(f"accuracy, {task}", *ACCURACIES, gap=1)
    for name in repairs.names:
        accuracy.add_row(safe(name), *(cell(rows.get((name, "accuracy", condition))) for condition in ACCURACIES))
    yield Padding(accuracy, (0, 0, 1, 2))
    for head, columns in (("against no repair", CHANGES), ("and where there is no conflict", ASIDE)):
        changes = grid(head, *(word for word, _ in columns), gap=2)
        for name in repairs.names:
            cells = {metric: rows.get((name, metric, None)) for _, metric in columns}
            changes.add_row(safe(name), *(_passes(row) if key == "passes" else cell(row) for key, row in cells.items()))
        yield Padding(changes, (0, 0, 1, 2))


def _passes(row: Metric | None) -> str:
    return NOTHING if row is None or row.value is None else f"{row.value:g}"


def _basis(selection: dict[str, Any], clips: int) -> Iterator[RenderableType]:
    if not selection:
        yield Text(f"  on {count(clips, 'clip')}")
    else:
        yield Text(
            f"  on the test split of {count(len(selection['test']), 'clip')}; open options were chosen on the other "
            f"{len(selection['dev'])}, for the largest gain at a faithful drop of at most {selection['budget']:g}"
        )
    yield Text("")


def _remarks(repairs: Repaired, rows: Rows, where: str) -> Iterator[RenderableType]:
    """What was chosen for each tuned arm, and why numbers are missing."""
    for name in repairs.names:
        gain, area = rows.get((name, "gain", None)), rows.get((name, "nauc", None))
        note = "" if gain is None else safe(own_note(gain), NOTE_LIMIT)
        if area is not None and area.value is not None:
            note += f"; nAUC {figure(area.value)} over its budgets"
        if note:
            yield Padding(Text(f"{safe(name)}{where}: {note.removeprefix('; ')}"), (0, 0, 0, 2))
