"""The summary's part on awareness: what the hidden states know, what the answer shows of it, and the controls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.awareness import PREFIX
from pytest_mcr.core.metrics import OVERALL, Metric, Table
from pytest_mcr.report.number_words import cell, own_note
from pytest_mcr.report.terminal_tables import grid
from pytest_mcr.report.wording import figure, safe
from pytest_mcr.run.record import RunRecord

BLOCKS: Final = (
    (
        "does the text contradict the clip? (AUROC)",
        (
            ("hidden states, above the text alone", "conflict"),
            ("hidden states, above the answer's scores", "disconnect"),
            ("  hidden states", "conflict_probe"),
            ("  the answer's scores", "conflict_output"),
            ("  random forest on hidden states", "conflict_forest"),
            ("  a probe of the other tasks", "conflict_transfer"),
            ("  control: the text alone", "conflict_text"),
            ("  control: shuffled labels", "conflict_shuffled"),
        ),
    ),
    (
        "what does the clip support? (AUROC)",
        (
            ("share kept under a text", "retained"),
            ("  with a text", "label_probe"),
            ("  without a text", "label_audio"),
            ("  control: the text alone", "label_text"),
            ("  control: shuffled labels", "label_shuffled"),
        ),
    ),
    (
        "will the answer follow the text? (AUROC)",
        (
            ("hidden states, above the text alone", "follow"),
            ("  hidden states", "follow_probe"),
            ("  control: the text alone", "follow_text"),
        ),
    ),
)
CURVES: Final = (("conflict", "conflict_probe"), ("clip's label", "label_probe"), ("following", "follow_probe"))
CAVEAT: Final = (
    "texts were exchanged between clips; no fold shares a clip or a text with another. A probe shows what can be read "
    "off the states, not what the model uses; a forest compares clip and text by itself."
)
NOTE_LIMIT: Final = 110


def awareness(record: RunRecord) -> Iterator[RenderableType]:
    """Everything that the suite found; nothing where it did not run."""
    table = record.judgement.table
    if table.get(f"{PREFIX}conflict") is None:
        return
    for task in (*_tasks(table), OVERALL):
        yield Padding(Text(f"{'* (mean)' if task == OVERALL else safe(task)}: {sentence(table, task)}"), (0, 0, 0, 2))
    for head, lines in BLOCKS:
        yield from _block(table, head, lines)
    yield from _curves(table)
    yield Padding(Text(CAVEAT), (0, 0, 0, 2))


def sentence(table: Table, task: str) -> str:
    """The headline of a task in words."""
    conflict, disconnect = (table.get(PREFIX + name, None, task) for name in ("conflict", "disconnect"))
    if conflict is None or conflict.value is None:
        return f"undefined: {safe('' if conflict is None else own_note(conflict), NOTE_LIMIT)}"
    if not _above(conflict):
        return "hidden states do not show a conflict for sure beyond what the text alone gives away"
    known = "hidden states show that the text contradicts the clip"
    if disconnect is None or disconnect.value is None:
        return f"{known}; without scores, whether the answer shows it is unknown"
    if _above(disconnect):
        return f"{known}, and more of it than the answer's scores: it knows, and does not say so"
    return f"{known}; the answer's scores may show as much, so 'knows but does not say' is not shown"


def _above(row: Metric) -> bool:
    return row.low is not None and row.low > 0


def _tasks(table: Table) -> list[str]:
    return [task for task in table.tasks if table.get(f"{PREFIX}conflict", None, task) is not None]


def _block(table: Table, head: str, lines: tuple[tuple[str, str], ...]) -> Iterator[RenderableType]:
    tasks = [*_tasks(table), OVERALL]
    block = grid(head, *("* (mean)" if task == OVERALL else safe(task) for task in tasks))
    for words, name in lines:
        rows = [table.get(PREFIX + name, None, task) for task in tasks]
        block.add_row(words, *("-" if row is None else cell(row) for row in rows))
    yield Padding(block, (1, 0, 0, 2))


def _curves(table: Table) -> Iterator[RenderableType]:
    """AUROC by layer in figures: few layers are looked at, and the paper names them by number."""
    found = [(task, words, table.where(PREFIX + name, None, task)) for task in _tasks(table) for words, name in CURVES]
    curves = [(task, words, [row for row in rows if "layer" in row.extra]) for task, words, rows in found]
    layers = sorted({int(row.extra["layer"]) for _, _, rows in curves for row in rows})
    if not layers:
        return
    block = grid("AUROC by layer", "", *map(str, layers))
    for task, words, rows in curves:
        by_layer = {int(row.extra["layer"]): row.value for row in rows}
        block.add_row(safe(task), words, *(figure(by_layer.get(layer)) for layer in layers))
    yield Padding(block, (1, 0, 1, 2))
