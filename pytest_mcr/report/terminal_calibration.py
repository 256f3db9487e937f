"""The summary's part on a calibration head: confidence before and after, on the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.calibrated_arm import CALIBRATED, FOREIGN, RAW
from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.metrics import OVERALL, Metric
from pytest_mcr.report.number_words import cell, name_of
from pytest_mcr.report.terminal_tables import grid
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
    """Means over tasks, or the tasks that have numbers where some have none; nothing without a head."""
    known = [row for row in record.judgement.arms if row.metric == "ece" and row.value is not None]
    tasks = dict.fromkeys(row.task for row in known)
    for task in (OVERALL,) if OVERALL in tasks else tasks:
        yield Padding(block([row for row in record.judgement.arms if row.task == task]), (0, 0, 0, 2))
    if known:
        counted = max(row.n for row in known)
        yield Text(f"  before the head and after it, up to {counted} answers a condition; 'calibrated' in cases.jsonl")
    if any(FOREIGN in (row.note or "") for row in record.judgement.arms):
        yield Text("  the head was fitted on another model: its confidence may be off")


def block(arms: Sequence[Metric]) -> RenderableType:
    """One task, or the mean over tasks: two rows a number, before and after."""
    rows = {(row.metric, row.condition, str(row.extra["arm"])): row for row in arms}
    conditions = [name for name in CONDITIONS if any(row.condition == name for row in arms)]
    table = grid(name_of(arms[0].task), *conditions)
    for label, metric in SHOWN:
        if all(row.value is None for row in arms if row.metric == metric):
            continue
        for arm, name in ((RAW, label), (CALIBRATED, "  after")):
            table.add_row(name, *(cell(rows.get((metric, condition, arm))) for condition in conditions))
    return table
