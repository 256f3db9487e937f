"""The rows of the confidence suite: calibration of each task and condition, and what each text does to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest_mcr.core.calibration import errors_of, reliability
from pytest_mcr.core.case import CONDITIONS, PLACEBO, Outcome
from pytest_mcr.core.confidence import NO_SCORES
from pytest_mcr.core.estimates import undefined
from pytest_mcr.core.metrics import OVERALL, Metric, overall, rows_of
from pytest_mcr.core.panel import Panel, panels
from pytest_mcr.core.rates import NO_ANSWERS, Estimates
from pytest_mcr.core.scored import scored, together
from pytest_mcr.core.scoring import proper_scores
from pytest_mcr.core.selective import aurc, risks
from pytest_mcr.core.shifts import shifts
from pytest_mcr.core.upward import Reaches, over_tasks, widened

NAMES: Final = (
    "ece", "ece_floor", "ece_mass", "ece_adaptive", "brier", "brier_reliability", "brier_resolution",
    "brier_uncertainty", "brier_multi", "nll", "aurc",
)  # fmt: skip


def calibration_rows(outcomes: Sequence[Outcome]) -> list[Metric]:
    """Every calibration number that the outcomes allow.

    The bins of ``reliability`` and the points of ``risk`` over all tasks are over the answers of all tasks together;
    all other rows over tasks are the mean of the tasks' values.

    Args:
        outcomes: at most one a case; any order.
    """
    tasks = panels([outcome for outcome in outcomes if outcome.condition != PLACEBO])
    if not tasks:
        return []
    names = [panel.task for panel in tasks]
    measured = [calibrations(panel) for panel in tasks]
    found, reaches = [one for one, _ in measured], [reach for _, reach in measured]
    by_task = [widened(one, reach) for one, reach in measured]
    whole = widened(overall(names, found), over_tasks(reaches))
    for condition, answers in together(tasks).items():
        whole |= reliability(answers, condition) | risks(answers, condition)
    rows = rows_of(names, by_task)
    return [row for row in rows if row.task != OVERALL] + rows_of([OVERALL], [whole])[: len(whole)]


def calibrations(panel: Panel) -> tuple[Estimates, Reaches]:
    """The numbers of one task, and what chance may have added to them."""
    found: Estimates = {}
    reaches: Reaches = {}
    for condition in CONDITIONS:
        if condition not in panel.cells:
            continue
        answers = scored(panel, condition)
        if not len(answers):
            why = NO_SCORES if panel.cells[condition].answered.any() else NO_ANSWERS
            found |= {(name, condition, ()): undefined(panel, why) for name in NAMES}
            continue
        for numbers, reach in (errors_of(answers, condition), proper_scores(answers, condition)):
            found |= numbers
            reaches |= reach
        found["aurc", condition, ()] = aurc(answers)
        found |= reliability(answers, condition) | risks(answers, condition)
    numbers, reach = shifts(panel)
    return found | numbers, reaches | reach
