"""What each repair arm gains and costs: accuracy by condition, and differences to the unrepaired answer by pairs.

Rules on scores are held against J as its scores answer it; prompts against the run's own prompt, read as the run reads
answers. Both sides of a difference are the same clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pytest_mcr.core.averages import mean_value
from pytest_mcr.core.betting import DIFFERENCE
from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL
from pytest_mcr.core.clusters import Clusters, Floats, Mask, clustered, roster
from pytest_mcr.core.estimates import Estimate, mean_of, rate, ratio, undefined
from pytest_mcr.core.metrics import Metric, rows_of
from pytest_mcr.core.rates import Estimates
from pytest_mcr.core.repair_arms import AS_ASKED, PROMPT, Arm
from pytest_mcr.core.repair_cases import RepairCase

JOINT: Final = Arm("joint")
SWITCH: Final = Arm("hard-switch")
OWN_PROMPT: Final = Arm(f"{PROMPT}{AS_ASKED}")
RECOVERED: Final = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (-1.0, -1.0))
"""Corners of (arm - J, A - J) of one sample: J right leaves both at most 0, J wrong at least 0."""
_CHANGES: Final = (
    ("gain", ADVERSARIAL, 1.0),
    ("drop", FAITHFUL, -1.0),
    ("irrelevant_drop", IRRELEVANT, -1.0),
    ("neutral_change", NEUTRAL, 1.0),
)
"""Metric, condition, and the sign of the arm less its baseline."""


def baseline(arm: Arm) -> Arm:
    """What an arm is held against."""
    return JOINT if arm.prompt is None else OWN_PROMPT


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One arm under one condition; arrays with one entry a clip of the task.

    Attributes:
        ok: there is an answer, or one that cannot be read.
        right: it is the gold answer; inside ``ok``.
        missing: why some have none.
    """

    ok: Mask
    right: Mask
    missing: str | None


def answered(cases: Sequence[RepairCase], arm: Arm, condition: str) -> Answered:
    """An arm's answers under a condition; clips without that condition have none."""
    given = [case.given(arm, condition) if condition in case.conditions else None for case in cases]
    ok = np.array([one is not None and one.missing is None for one in given], dtype=np.bool_)
    right = np.array([one is not None and one.right for one in given], dtype=np.bool_)
    reasons = [one.missing for one in given if one is not None and one.missing is not None]
    missing = f"{reasons[0]} ({len(reasons)} of {len(cases)})" if reasons else None
    return Answered(ok, right, missing)


def clips_of(cases: Sequence[RepairCase], among: Sequence[RepairCase] | None = None) -> Clusters:
    """The clips' clusters, numbered among those of all tasks."""
    return clustered([case.cluster for case in cases], roster(case.cluster for case in among or cases))


def change(cases: Sequence[RepairCase], arm: Arm, condition: str) -> tuple[Floats, Mask]:
    """By clip, rightness under an arm less that under its baseline, and the clips that have both."""
    now, before = answered(cases, arm, condition), answered(cases, baseline(arm), condition)
    return now.right.astype(np.float64) - before.right, now.ok & before.ok


def repair_rows(cases: Sequence[RepairCase], arms: Sequence[Arm], names: Sequence[str]) -> list[Metric]:
    """The rows of each arm, per task and over tasks, with the extra key ``arm``.

    ================== =============================================================================================
    ``accuracy``       by condition
    ``gain``           adversarial accuracy of the arm less that of its baseline
    ``drop``           faithful accuracy of the baseline less that of the arm; ``irrelevant_drop`` likewise
    ``neutral_change`` neutral accuracy of the arm less that of its baseline
    ``recovered``      (arm - J) / (A - J) of adversarial accuracy: 1 is as good as never seeing the text
    ``passes``         forward passes of the model an answer
    ================== =============================================================================================

    Args:
        cases: at most one a sample; any order.
        arms: with every option that the rows are to be about.
        names: what each arm is called in the rows; a tuned one by what was asked for.
    """
    ordered = sorted(cases, key=lambda case: (case.task, case.sample))
    tasks: dict[str, list[RepairCase]] = {}
    for case in ordered:
        tasks.setdefault(case.task, []).append(case)
    rows: list[Metric] = []
    for arm, name in zip(arms, names, strict=True):
        found = [_estimates(own, clips_of(own, ordered), arm) for own in tasks.values()]
        rows += [replace(row, extra={"arm": name}) for row in rows_of(list(tasks), found)]
    places = {task: place for place, task in enumerate((*tasks, "*"))}
    return sorted(rows, key=lambda row: places[row.task])


def _estimates(cases: Sequence[RepairCase], clips: Clusters, arm: Arm) -> Estimates:
    present = [c for c in CONDITIONS if any(c in case.conditions for case in cases)]
    by_condition = {condition: answered(cases, arm, condition) for condition in present}
    found: Estimates = {}
    for condition, one in by_condition.items():
        estimate = rate(clips, one.right, one.ok, empty=one.missing or "no answers")
        found["accuracy", condition, ()] = estimate if estimate.value is None else estimate.noted(one.missing)
    for metric, condition, sign in _CHANGES:
        if condition in present:
            found[metric, None, ()] = _difference(cases, clips, arm, condition, sign)
    if ADVERSARIAL in present:
        found["recovered", None, ()] = _recovered(cases, clips, arm)
    asked = np.ones(len(cases), dtype=np.bool_)
    found["passes", None, ()] = mean_value(clips, np.full(len(cases), float(arm.passes)), asked, empty="no clips")
    return found


def _difference(cases: Sequence[RepairCase], clips: Clusters, arm: Arm, condition: str, sign: float) -> Estimate:
    values, both = change(cases, arm, condition)
    missing = answered(cases, arm, condition).missing or answered(cases, baseline(arm), condition).missing
    if not both.any():
        return undefined(clips, missing or f"no {condition} answers")
    found = mean_of(clips, sign * values, both, corners=DIFFERENCE, span=(-1.0, 1.0), empty="no answers")
    return found.noted(missing)


def _recovered(cases: Sequence[RepairCase], clips: Clusters, arm: Arm) -> Estimate:
    """A is the answer without the text, given as the arm gives its own: by scores, or to the run's own prompt."""
    values, both = change(cases, arm, ADVERSARIAL)
    before = answered(cases, baseline(arm), ADVERSARIAL)
    alone = answered(cases, SWITCH, ADVERSARIAL) if arm.prompt is None else answered(cases, OWN_PROMPT, NEUTRAL)
    among = both & alone.ok
    lost = alone.right.astype(np.float64) - before.right
    n = int(among.sum())
    missing = answered(cases, arm, ADVERSARIAL).missing or alone.missing
    if not n:
        return undefined(clips, missing or "no adversarial answers")
    empty = "the text takes nothing: without it no more answers are right"
    found = ratio(clips, values, lost, among, corners=RECOVERED, span=(-float(n), float(n)), empty=empty)
    return found.noted(missing)
