"""What a sequential run may say: intervals that hold at every stopping time, and gates as the evidence decided them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pytest_mcr.core.gates import FAIL, INVALID, NOT_JUDGED, PASS, UNDECIDED, GateResult
from pytest_mcr.core.grammar import Gate
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.metrics import OVERALL, Metric, Table
from pytest_mcr.core.sequential_parts import LINEAR, UNBOUNDED
from pytest_mcr.core.watch import Book
from pytest_mcr.run.early_stop import EarlyStop
from pytest_mcr.run.ledger import Ledger

NO_INTERVAL: Final = "no interval in a sequential run"


def with_sequence(table: Table, early: EarlyStop, ledger: Ledger) -> Table:
    """The same numbers with intervals of the sequence; those of a fixed number of clips mean nothing after a look.

    A number that is no ratio of means by clip has none. Skill is measured from the chance level of the whole data,
    which is known before anything is asked.

    Args:
        table: over the clips that count.
        early: how they came to count.
        ledger: their answers.
    """
    wanted = {
        (row.metric, row.condition) for row in table if row.metric in LINEAR and row.metric != "skill" and not row.extra
    }
    book = early.followed(ledger, wanted)
    chance = early.watch.chance
    skills = {
        (task, row.condition): (row.value - zero) / (1 - zero)
        for task, zero in chance.items()
        for row in table
        if (row.metric, row.task) == ("accuracy", task) and not row.extra and row.value is not None and zero < 1
    }

    def change(row: Metric) -> Metric:
        if row.metric != "skill" or row.value is None or row.extra:
            return _limited(row, _interval(row, book, early))
        tasks = table.tasks if row.task == OVERALL else (row.task,)
        own = [skills[task, row.condition] for task in tasks if (task, row.condition) in skills]
        zeros = {chance[task] for task in tasks if task in chance}
        accuracy = table.get("accuracy", row.condition, row.task)
        if len(own) < len(tasks) or accuracy is None:
            return _limited(row, None)
        limits = _interval(accuracy, book, early) if len(zeros) == 1 else None
        moved = replace(row, value=sum(own) / len(own))
        return _limited(moved, None if limits is None else limits.above(zeros.pop()))

    return table.mapped(change)


def _interval(row: Metric, book: Book, early: EarlyStop) -> Limits | None:
    if row.value is None or row.extra or row.metric not in LINEAR:
        return None
    top = float(max(row.n, 1)) if row.metric in UNBOUNDED else 1.0
    if row.task != OVERALL:
        return book.limits(row.metric, row.condition, row.task, row.value, top)
    if len(early.watch.tasks) == 1:
        return book.limits(row.metric, row.condition, early.watch.tasks[0], row.value, top)
    return None if early.watch.mean_ended else book.limits(row.metric, row.condition, None, row.value, top)


def _limited(row: Metric, limits: Limits | None) -> Metric:
    if limits is not None:
        return replace(
            row, low=limits.low, high=limits.high, lower95=limits.lower95, upper95=limits.upper95, is_rate=False
        )
    if row.low is None and row.high is None:
        return row
    note = f"{row.note}; {NO_INTERVAL}" if row.note else NO_INTERVAL
    return replace(row, low=None, high=None, lower95=None, upper95=None, note=note)


def sequential_results(
    results: Sequence[GateResult], gates: Sequence[Gate], early: EarlyStop
) -> tuple[GateResult, ...]:
    """Gates as the evidence decided them.

    Args:
        results: of the same numbers by the rules of a fixed number of clips: they say what is INVALID, and decide
            what clips cannot decide one by one, which is sound because such a gate keeps a run from ending in a pass.
        gates: as asked for.
        early: the evidence.
    """
    points = {gate.expr for gate in gates if not gate.at95}
    claims = {claim.expr: claim for claim in early.watch.claims}
    return tuple(_result(one, early, known=one.expr in claims, point=one.gate in points) for one in results)


def _result(result: GateResult, early: EarlyStop, *, known: bool, point: bool) -> GateResult:
    if result.verdict == INVALID or result.value is None:
        return result
    decided = early.watch.decided.get(result.expr)
    if decided is not None:
        verdict, clips = decided
        reason = f"{result.value:.3f}; sure after {clips} clips that it is {'inside' if verdict == PASS else 'outside'}"
        return replace(result, verdict=verdict, reason=reason, distance=result.distance if verdict == FAIL else None)
    if known and early.stopped is not None:
        reason = f"{result.value:.3f}; not decided when the run ended"
        return replace(result, verdict=UNDECIDED, reason=reason)
    if known and not point:
        reason = f"{result.value:.3f}; not decided by all clips there are"
        return replace(result, verdict=UNDECIDED if result.verdict != FAIL else FAIL, reason=reason)
    if not known and early.stopped is not None and result.gate in early.watch.undecidable:
        reason = "clips do not decide it one by one, and the run ended early"
        return replace(result, verdict=NOT_JUDGED, reason=reason, distance=None)
    return result
