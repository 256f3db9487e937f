"""The summary's part on a calibration head: confidence before and after, on the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.calibrated_arm import CALIBRATED, FOREIGN, RAW
from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.report.terminal_tables import cell, grid
from pytest_mcr.run.record import RunRecord

SHOWN: Final = (
    ("ECE", "ece"),
    ("Brier", "brier"),
    ("AURC", "aurc"),
    ("AUROC", "auroc"),
    ("overconfidence", "overconfidence"),
)
"""Rows of the table: label, metric."""


def calibration(record: RunRecord) -> Iterator[RenderableType]:
    """The means over tasks (or the one task's numbers); nothing without a head."""
    arms = record.judgement.arms
    task = OVERALL if any(row.task == OVERALL and row.value is not None for row in arms) else None
    rows = {(row.metric, row.condition, str(row.extra["arm"])): row for row in arms if task is None or row.task == task}
    conditions = [name for name in CONDITIONS if any(key[1] == name for key in rows)]
    if not conditions:
        return
    table = grid("", *conditions)
    for label, metric in SHOWN:
        for arm, name in ((RAW, label), (CALIBRATED, "  after")):
            table.add_row(name, *(cell(rows.get((metric, condition, arm))) for condition in conditions))
    yield Padding(table, (0, 0, 0, 2))
    counted = max(row.n for row in rows.values())
    yield Text(f"  before the head and after it, up to {counted} answers a condition; 'calibrated' in cases.jsonl")
    if any(FOREIGN in (row.note or "") for row in rows.values()):
        yield Text("  the head was fitted on another model: its confidence may be off")
