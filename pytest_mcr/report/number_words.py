"""The numbers of a task as text: rows of cells for every kind of report, and what must stand beside them."""

from __future__ import annotations

from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, IRRELEVANT, PLACEBO
from pytest_mcr.core.hearing import NOT_SHOWN
from pytest_mcr.core.metrics import OVERALL, Metric, Table
from pytest_mcr.report.sentences import silent_counts
from pytest_mcr.report.wording import NOTHING, UNSURE, safe, with_interval

NUMBERS: Final = (
    ("accuracy", "accuracy"),
    ("normalized", "normalized_accuracy"),
    ("skill", "skill"),
    ("TIR", "tir"),
    ("TIR of all", "tir_all"),
    ("text-follow", "text_follow"),
    ("TDR", "tdr"),
)
"""Rows of a task's block: label, metric."""

LEGEND: Final = (
    "Brackets: 95 % interval by clip. normalized: accuracy / neutral accuracy. skill: 0 is chance, 1 is perfect. TIR: "
    "text influence rate, higher is worse, of the n in brackets; adversarial: right in neutral, then wrong; faithful: "
    "wrong, then right; irrelevant: rightness differs; floor: the question reworded, without text. TDR: text / (text + "
    "audio) answers. unp/fla/err: unparsed, flagged (says that text and audio disagree) and error cases."
)


def task_rows(table: Table, task: str) -> list[tuple[str, ...]]:
    """Numbers of one task as text: the head, then one row a metric, with one column a condition."""
    conditions = table.conditions
    rows = [(name_of(task), *conditions)]
    rows.append(("n (for TIR)", *(sizes(table, task, condition) for condition in conditions)))
    for label, metric in NUMBERS:
        measured = [table.get(metric, condition, task) for condition in conditions]
        if any(row is not None for row in measured):
            rows.append((label, *(cell(row) for row in measured)))
    rows.append(("unp/fla/err", *(silent(table, task, condition) for condition in conditions)))
    return rows


def name_of(task: str) -> str:
    """A task as a head."""
    return "* (mean)" if task == OVERALL else task


def cell(row: Metric | None) -> str:
    """A number with its interval, marked where hearing was not shown."""
    if row is None or row.value is None:
        return NOTHING
    mark = UNSURE if NOT_SHOWN in (row.note or "") else ""
    return with_interval(row.value, row.low, row.high) + mark


def sizes(table: Table, task: str, condition: str) -> str:
    """Cases behind the accuracy, and behind TIR in brackets."""
    row, paired = table.get("accuracy", condition, task), table.get("tir", condition, task)
    if row is None:
        return NOTHING
    return f"{row.n} ({paired.n})" if paired is not None else str(row.n)


def silent(table: Table, task: str, condition: str) -> str:
    """Unparsed, flagged and error cases, e.g. ``2/0/1``; summed for the mean over tasks."""
    tasks = table.tasks if task == OVERALL else (task,)
    counts = [found for name in tasks if (found := silent_counts(table, name, condition)) is not None]
    if not counts:
        return NOTHING
    return "/".join(str(sum(parts)) for parts in zip(*counts, strict=True))


def remarks(table: Table, task: str) -> list[str]:
    """What must stand beside the numbers of a task: the noise floor of TIR, and why numbers are missing."""
    lines = []
    floor, excess = table.get("tir", PLACEBO, task), table.get("tir_excess", ADVERSARIAL, task)
    if floor is not None:
        above = f"; TIR above it {cell(excess)}" if excess is not None and excess.value is not None else ""
        lines.append(f"TIR floor (placebo, n {floor.n}) {cell(floor)}{above}")
    for label, metric in NUMBERS:
        # That an irrelevant text supports no label is no news.
        wanted = [c for c in table.conditions if (metric, c) != ("text_follow", IRRELEVANT)]
        measured = [row for condition in wanted if (row := table.get(metric, condition, task)) is not None]
        reasons: dict[str, list[str]] = {}
        for row in measured:
            reasons.setdefault(own_note(row), []).append(str(row.condition))
        for note, conditions in reasons.items():
            if note:
                where = "" if len(conditions) == len(measured) else f"[{', '.join(conditions)}]"
                lines.append(f"{label}{where}: {safe(note)}")
    return lines


def own_note(row: Metric) -> str:
    """A row's note without the hearing test's, which is marked and said once."""
    notes = (row.note or "").split("; ")
    return "; ".join(note for note in notes if not note.startswith(NOT_SHOWN))


def robustness_rows(table: Table) -> list[tuple[str, str, str, str]]:
    """Task, MRS, its uncapped form and n, the mean over tasks last; empty where it was not measured."""
    tasks = (*table.tasks, OVERALL) if len(table.tasks) > 1 else table.tasks
    rows = [(task, table.get("mrs", None, task), table.get("mrs_uncapped", None, task)) for task in tasks]
    if all(capped is None for _, capped, _ in rows):
        return []
    return [
        (name_of(task), cell(capped), cell(raw), NOTHING if capped is None else str(capped.n))
        for task, capped, raw in rows
    ]
