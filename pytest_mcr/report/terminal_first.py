"""The summary's part for a red run: what changed, where it goes wrong, which repair would pass, how to waive.

The other points of `first_minute` have sections of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mcr.report.diagnosis_words import changed_lines, repair_lines, where_lines
from pytest_mcr.report.first_minute import is_red
from pytest_mcr.report.rerun import repair_command
from pytest_mcr.report.waiver_words import block, waivable, waiver_lines
from pytest_mcr.run.record import RunRecord

HEAD: Final = "What changed, where, and what would help"


def first_rows(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Label and text of each line; nothing for a run that is not red, or in which nothing was looked for."""
    if record.diagnosis is None or not is_red(record):
        return
    lines = (
        ("changed", list(changed_lines(record))),
        ("where", list(where_lines(record))),
        ("repair", repair_lines(record)[0]),
        ("waive", list(waiver_lines(record))),
    )
    for label, told in lines:
        yield from ((label if not place else "", line.strip()) for place, line in enumerate(told))


def commands(record: RunRecord) -> Iterator[tuple[str, list[str]]]:
    """What can be copied besides the command that runs clips again: a heading and the words of a command."""
    if record.diagnosis is not None and is_red(record) and repair_lines(record)[1]:
        yield "ask which repair would pass:", repair_command(record)


def first_waiver(record: RunRecord) -> list[str]:
    """The block that waives the gate that is farthest from passing, line by line."""
    gates = waivable(record) if record.diagnosis is not None and is_red(record) else []
    return list(block(record, max(gates, key=lambda gate: gate.distance or 0))) if gates else []
