"""The summary's part on confidence: what it says without a text and under a false one, and the reliability diagram."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL
from pytest_mcr.core.metrics import OVERALL, Metric, Table
from pytest_mcr.core.stated import PER_TOKEN, SAMPLE, SCORES, VERBAL, VERSION, parse_method
from pytest_mcr.report.number_words import cell, name_of, own_note
from pytest_mcr.report.reliability import FILE, text_rows
from pytest_mcr.report.sentences import silent_counts
from pytest_mcr.report.terminal_tables import grid
from pytest_mcr.report.wording import NOTHING, count, safe
from pytest_mcr.run.record import RunRecord

NUMBERS: Final = (
    ("overconfidence", "overconfidence"),
    ("AUROC", "auroc"),
    ("ECE", "ece"),
    ("  by chance alone", "ece_floor"),
    ("  equal mass", "ece_mass"),
    ("  adaptive", "ece_adaptive"),
    ("Brier", "brier"),
    ("  reliability", "brier_reliability"),
    ("  resolution", "brier_resolution"),
    ("NLL, nats", "nll"),
    ("AURC", "aurc"),
)
"""Rows of the table: label, metric."""
LEGEND: Final = (
    "overconfidence: of the wrong answers, those above 0.85. AUROC: a right answer is surer than a wrong one (0.50 is "
    "chance). ECE: expected calibration error, biased upward on few answers; by chance alone: what a calibrated model "
    "would show here. AURC: errors left while the least sure answers are withheld. shift: the text's doing, same clips."
)
NOTE_LIMIT: Final = 200
WAYS: Final = {
    PER_TOKEN: "confidence: softmax over the candidates' mean log p of a token",
    SAMPLE: "confidence: the share of {count} drawn answers that are the given one",
    VERBAL: f"confidence: what the model says when it is asked how likely its answer is right (wording v{VERSION})",
}
"""What confidence is, where it is not the candidates' scores."""


def confidence(record: RunRecord) -> Iterator[RenderableType]:
    """Everything that the suite measured; nothing where it did not run."""
    table = record.judgement.table
    if not any(row.metric == "ece" for row in table):
        return
    tasks = measured_tasks(table)
    if not tasks:
        row = next(row for row in table if row.metric == "ece")
        yield Padding(Text(f"not measured: {safe(own_note(row), NOTE_LIMIT)}"), (0, 0, 0, 2))
        return
    method = parse_method(str(record.settings.get("confidence", SCORES)))
    if method.name != SCORES:
        yield Padding(Text(WAYS[method.name].format(count=method.count)), (0, 0, 1, 2))
    for task in tasks:
        yield Padding(block(table, task), (0, 0, 0, 2))
        for line in remarks(table, task):
            yield Padding(Text(line), (0, 0, 0, 2))
        yield Text("")
    yield Text(LEGEND)
    yield from diagram(table)


def measured_tasks(table: Table) -> tuple[str, ...]:
    """The row over tasks, or the tasks that have numbers where some have none."""
    scored = [task for task in (OVERALL, *table.tasks) if any(value(table, c, task) for c in (NEUTRAL, ADVERSARIAL))]
    return (OVERALL,) if OVERALL in scored else tuple(scored)


def value(table: Table, condition: str, task: str) -> bool:
    """Whether a task has a calibration error under a condition."""
    return table.value("ece", condition, task) is not None


def block(table: Table, task: str) -> RenderableType:
    """One task: without a text, under a false one, and the difference on the same clips."""
    found = grid(name_of(task), NEUTRAL, ADVERSARIAL, "shift")
    for kind in ("right", "wrong"):
        sides = [split(table, condition, task, kind) for condition in (NEUTRAL, ADVERSARIAL)]
        found.add_row(f"mean when {kind}", *map(with_n, sides), "")
    for label, metric in NUMBERS:
        sides = [table.get(metric, condition, task) for condition in (NEUTRAL, ADVERSARIAL)]
        shift = table.get(f"{metric}_shift", ADVERSARIAL, task)
        found.add_row(label, *map(cell, sides), "" if shift is None else cell(shift))
    return found


def split(table: Table, condition: str, task: str, kind: str) -> Metric | None:
    """The mean confidence of right or of wrong answers."""
    rows = table.where("mean_confidence", condition, task, answers=kind)
    return rows[0] if rows else None


def with_n(row: Metric | None) -> str:
    """A number with its interval, or with how many answers there are where it does not exist."""
    return NOTHING if row is None or row.value is None else f"{cell(row)} n {row.n}"


def remarks(table: Table, task: str) -> Iterator[str]:
    """Why numbers about wrong answers do not exist, and what a reader has to know about those that do."""
    for condition in (NEUTRAL, ADVERSARIAL):
        told: list[str] = []
        silent = without(table, condition, task)
        if silent is not None:
            yield silent
        for metric in ("overconfidence", "auroc"):
            row = table.get(metric, condition, task)
            note = "" if row is None else safe(own_note(row), NOTE_LIMIT)
            if note and note not in told:
                told.append(note)
                yield f"{metric}[{condition}]: {note}"


def without(table: Table, condition: str, task: str) -> str | None:
    """How many answers came without a confidence, None where all have one."""
    names = table.tasks if task == OVERALL else (task,)
    answered = measured = 0
    for name in names:
        accuracy, sure = table.get("accuracy", condition, name), table.get("ece", condition, name)
        if accuracy is not None and sure is not None:
            unparsed, flagged, _ = silent_counts(table, name, condition) or (0, 0, 0)
            answered += accuracy.n - unparsed - flagged
            measured += sure.n
    lost = answered - measured
    return f"{condition}: no confidence for {lost} of {count(answered, 'answer')}" if lost else None


def diagram(table: Table) -> Iterator[RenderableType]:
    """The reliability diagram over the answers of all tasks."""
    rows = text_rows(table)
    if rows:
        block = grid(*rows[0])
        for row in rows[1:]:
            block.add_row(*row)
        yield Padding(block, (1, 0, 0, 2))
        yield Text(f"  # right answers, | mean confidence, all tasks together; {FILE} beside the results")
