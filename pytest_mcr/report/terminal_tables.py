"""The tables of the summary: gates, a block a task with one column a condition, robustness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.box import Box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from pytest_mcr.core.case import ADVERSARIAL, IRRELEVANT, PLACEBO
from pytest_mcr.core.gates import FAIL, INVALID, PASS, UNDECIDED, WAIVED
from pytest_mcr.core.hearing import NOT_SHOWN
from pytest_mcr.core.metrics import OVERALL, Metric, Table
from pytest_mcr.report.gate_words import gate_remark, is_comparison, ordered, row_of
from pytest_mcr.report.sentences import silent_counts
from pytest_mcr.report.wording import NOTHING, UNSURE, safe, with_interval
from pytest_mcr.run.judge import Judgement

RULE: Final = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""A rule under the head and nothing else; plain ASCII, because logs and old consoles have to show it."""

STYLES: Final = {
    FAIL: "bold red",
    INVALID: "bold magenta",
    UNDECIDED: "bold yellow",
    WAIVED: "bold yellow",
    PASS: "green",
}
"""Colour repeats what the word says and never says more."""

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


def grid(*heads: str, gap: int = 2) -> Grid:
    """An empty table with left-aligned columns under a rule, one or two blanks apart."""
    table = Grid(box=RULE, pad_edge=False, padding=(0, gap - 1, 0, 0), show_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def gates_grid(judgement: Judgement) -> Grid:
    """Every gate with its number, what blocks first; comparisons with earlier runs have a table of their own."""
    table = grid("gate", "", "value [95 %]", "n")
    for result in ordered([gate for gate in judgement.gates if not is_comparison(gate)]):
        row = row_of(result, judgement.table)
        word = result.verdict.replace("_", " ")
        name: RenderableType = Text(safe(result.expr))
        remark = gate_remark(result, judgement.table)
        if remark:
            name = Group(name, Padding(Text(remark), (0, 0, 0, 2)))
        value = with_interval(result.value, result.low, result.high)
        table.add_row(
            Text(word if result.verdict == PASS else word.upper(), style=STYLES.get(result.verdict, "")),
            name,
            value if row is not None or result.value is None else f"{result.value:g}",
            NOTHING if row is None else str(row.n),
        )
    return table


def task_grids(table: Table, width: int) -> Iterator[RenderableType]:
    """A block a task, the mean over tasks last (left out where there is one task: it would say the same)."""
    tasks = (*table.tasks, OVERALL) if len(table.tasks) > 1 else table.tasks
    blocks = {task: task_rows(table, task) for task in tasks}
    widths = [max(map(len, column)) for column in zip(*(row for rows in blocks.values() for row in rows), strict=True)]
    room = width - sum(widths)
    for task, rows in blocks.items():
        block = grid(*rows[0], gap=2 if room >= 2 * (len(widths) - 1) else 1)
        if room >= len(widths) - 1:
            for column, least in zip(block.columns, widths, strict=True):
                column.min_width = least  # the columns of all blocks stand below each other
        for row in rows[1:]:
            block.add_row(*row)
        yield block
        for line in remarks(table, task):
            yield Padding(Text(line), (0, 0, 0, 2))
        yield Text("")


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


def robustness_grid(table: Table) -> Grid | None:
    """MRS of each task and of their mean; None where it was not measured."""
    tasks = (*table.tasks, OVERALL) if len(table.tasks) > 1 else table.tasks
    rows = [(task, table.get("mrs", None, task), table.get("mrs_uncapped", None, task)) for task in tasks]
    if all(capped is None for _, capped, _ in rows):
        return None
    block = grid("", "MRS [95 %]", "uncapped", "n")
    for task, capped, raw in rows:
        block.add_row(name_of(task), cell(capped), cell(raw), NOTHING if capped is None else str(capped.n))
    return block
