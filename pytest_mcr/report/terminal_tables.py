"""The tables of the summary: gates, a block a task with one column a condition, robustness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.box import Box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from pytest_mcr.core.gates import FAIL, INVALID, PASS, UNDECIDED, WAIVED
from pytest_mcr.core.metrics import OVERALL, Table
from pytest_mcr.report.gate_words import gate_remark, is_comparison, ordered, row_of
from pytest_mcr.report.number_words import remarks, robustness_rows, task_rows
from pytest_mcr.report.wording import NOTHING, safe, with_interval
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


def robustness_grid(table: Table) -> Grid | None:
    """MRS of each task and of their mean; None where it was not measured."""
    rows = robustness_rows(table)
    if not rows:
        return None
    block = grid("", "MRS [95 %]", "uncapped", "n")
    for row in rows:
        block.add_row(*row)
    return block
