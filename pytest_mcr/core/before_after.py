"""Two models on the same cases: what changed, with intervals that know that the clips are the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pytest_mcr.core.betting import DIFFERENCE
from pytest_mcr.core.calibration import ece, equal_width
from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, Outcome
from pytest_mcr.core.estimates import Estimate, mean, mean_of, rate, undefined
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.core.panel import Panel, panels
from pytest_mcr.core.rates import NO_ANSWERS, influence
from pytest_mcr.core.scored import has_confidence, scored
from pytest_mcr.core.scoring import brier
from pytest_mcr.core.shifts import difference

CALIBRATED: Final = (NEUTRAL, ADVERSARIAL)
"""Conditions whose calibration is compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One number before and after.

    Attributes:
        task: a task, or `OVERALL` for the mean of the tasks.
        measure: e.g. ``accuracy``.
        condition: of the cases.
        change: after less before, with the paired interval.
    """

    task: str
    measure: str
    condition: str
    before: Estimate
    after: Estimate
    change: Estimate


def changes(before: Iterable[Outcome], after: Iterable[Outcome]) -> list[Change]:
    """Accuracy by condition, text influence and calibration of two models, by task and as means of the tasks.

    A case with an error on either side leaves both.

    Args:
        before: outcomes of the first model.
        after: of the second, on the same cases.

    Raises:
        ValueError: the cases differ.
    """
    one, two = panels(before), panels(after)
    if [(p.task, tuple(p.cells), len(p.gold)) for p in one] != [(p.task, tuple(p.cells), len(p.gold)) for p in two]:
        raise ValueError("the two runs have different cases")
    found = [change for pair in zip(one, two, strict=True) for change in _of_task(*pair)]
    return found + _means(found)


def _of_task(one: Panel, two: Panel) -> list[Change]:
    rows = [_accuracy(one, two, condition) for condition in CONDITIONS if condition in one.cells]
    if NEUTRAL in one.cells:
        rows += [_influence(one, two, name) for name in (ADVERSARIAL, FAITHFUL, IRRELEVANT) if name in one.cells]
    for condition in CALIBRATED:
        if condition in one.cells:
            rows += _calibration(one, two, condition)
    return rows


def _accuracy(one: Panel, two: Panel, condition: str) -> Change:
    a, b = one.cells[condition], two.cells[condition]
    both = a.ok & b.ok
    gain = b.right.astype(np.float64) - a.right
    return Change(
        one.task, "accuracy", condition,
        rate(one, a.right, both, empty=NO_ANSWERS), rate(two, b.right, both, empty=NO_ANSWERS),
        mean_of(one, gain, both, corners=DIFFERENCE, span=(-1.0, 1.0), empty=NO_ANSWERS),
    )  # fmt: skip


def _influence(one: Panel, two: Panel, condition: str) -> Change:
    """Text influence; who is eligible depends on each model's own neutral answers, so n differs."""
    was, now = influence(one, condition).over(one), influence(two, condition).over(two)
    return Change(one.task, "tir", condition, was, now, _difference(now, was, condition))


def _calibration(one: Panel, two: Panel, condition: str) -> list[Change]:
    both = has_confidence(one.cells[condition]) & has_confidence(two.cells[condition])
    if not both.any():
        missing = undefined(one, "no confidence on both sides")
        return [Change(one.task, name, condition, missing, missing, missing) for name in ("ece", "brier")]
    sides = [scored(panel, condition, both) for panel in (one, two)]
    errors = [ece(side, equal_width(side.confidence)) for side in sides]
    scores = [brier(side) for side in sides]
    return [
        Change(one.task, name, condition, was, now, _difference(now, was, condition))
        for name, (was, now) in (("ece", errors), ("brier", scores))
    ]


def _difference(now: Estimate, was: Estimate, condition: str) -> Estimate:
    lacking = next((side for side in (now, was) if side.value is None), None)
    if lacking is not None:
        return replace(lacking, n=min(now.n, was.n))
    return difference(now, was, condition, min(now.n, was.n))


def _means(rows: Sequence[Change]) -> list[Change]:
    """The mean over the tasks of each number, where every task has it."""
    keys = list(dict.fromkeys((row.measure, row.condition) for row in rows))
    found = []
    for measure, condition in keys:
        own = [row for row in rows if (row.measure, row.condition) == (measure, condition)]
        parts = [_mean([getattr(row, side) for row in own]) for side in ("before", "after", "change")]
        found.append(Change(OVERALL, measure, condition, *parts))
    return found


def _mean(parts: Sequence[Estimate]) -> Estimate:
    lacking = next((part for part in parts if part.value is None), None)
    if lacking is not None:
        return replace(lacking, value=None, limits=None, n=sum(part.n for part in parts))
    return mean(parts)
