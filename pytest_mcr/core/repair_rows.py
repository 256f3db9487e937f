"""What each repair arm gains and costs: accuracy by condition, and differences to the unrepaired answer by pairs.

Rules on scores are held against J as its scores answer it; rules in free generation against J's text; prompts against
the run's own prompt, read as the run reads answers. Both sides of a difference are the same clips.
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
from pytest_mcr.core.repair_arms import AS_ASKED, PROMPT, WRITTEN, Arm, parse_arm
from pytest_mcr.core.repair_cases import RepairCase

JOINT: Final = Arm("joint")
SWITCH: Final = Arm("hard-switch")
TEXT: Final = parse_arm(WRITTEN)
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
    if arm.prompt is not None:
        return OWN_PROMPT
    return TEXT if arm.writes else JOINT


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One arm under one condition; arrays with one entry a clip of the task.

    Attributes:
        ok: there is an answer, or one that cannot be read.
        right: it is the gold answer; inside ``ok``.
        missing: why some have none.
        unread: how many cannot be read, or only state a conflict; not right, and inside ``ok``.
    """

    ok: Mask
    right: Mask
    missing: str | None
    unread: str | None


def answered(cases: Sequence[RepairCase], arm: Arm, condition: str) -> Answered:
    """An arm's answers under a condition; clips without that condition have none."""
    given = [case.given(arm, condition) if condition in case.conditions else None for case in cases]
    ok = np.array([one is not None and one.missing is None for one in given], dtype=np.bool_)
    right = np.array([one is not None and one.right for one in given], dtype=np.bool_)
    reasons = [one.missing for one in given if one is not None and one.missing is not None]
    silent = sum(one is not None and one.missing is None and one.answer is None for one in given)
    return Answered(
        ok,
        right,
        f"{reasons[0]} ({len(reasons)} of {len(cases)})" if reasons else None,
        f"{silent} of {int(ok.sum())} {condition} answers unparsed or flagged" if silent else None,
    )


class Sheet:
    """The clips of one task with every arm's answers, each worked out once.

    Args:
        cases: of the task.
        among: the clips of all tasks, for the numbers of the clusters; None: these.
    """

    def __init__(self, cases: Sequence[RepairCase], among: Sequence[RepairCase] | None = None) -> None:
        self.cases = cases
        self.task = cases[0].task
        self.clips: Clusters = clustered([c.cluster for c in cases], roster(c.cluster for c in among or cases))
        self.conditions = [c for c in CONDITIONS if any(c in case.conditions for case in cases)]
        self._known: dict[tuple[Arm, str], Answered] = {}

    def of(self, arm: Arm, condition: str) -> Answered:
        """An arm's answers under a condition."""
        if (arm, condition) not in self._known:
            self._known[arm, condition] = answered(self.cases, arm, condition)
        return self._known[arm, condition]

    def change(self, arm: Arm, condition: str) -> tuple[Floats, Mask]:
        """By clip, rightness under an arm less that under its baseline, and the clips that have both."""
        now, before = self.of(arm, condition), self.of(baseline(arm), condition)
        return now.right.astype(np.float64) - before.right, now.ok & before.ok

    def mean_change(self, arm: Arm, condition: str) -> float:
        """The mean of that change; NaN without clips that have both."""
        values, both = self.change(arm, condition)
        return float(values[both].mean()) if both.any() else float("nan")


def sheets(cases: Sequence[RepairCase]) -> list[Sheet]:
    """One a task, by name; samples in order."""
    ordered = sorted(cases, key=lambda case: (case.task, case.sample))
    tasks: dict[str, list[RepairCase]] = {}
    for case in ordered:
        tasks.setdefault(case.task, []).append(case)
    return [Sheet(own, ordered) for own in tasks.values()]


def repair_rows(tasks: Sequence[Sheet], arm: Arm, name: str) -> list[Metric]:
    """The rows of an arm, per task and over tasks, with the extra key ``arm``.

    ================== =============================================================================================
    ``accuracy``       by condition
    ``gain``           adversarial accuracy of the arm less that of its baseline
    ``drop``           faithful accuracy of the baseline less that of the arm; ``irrelevant_drop`` likewise
    ``neutral_change`` neutral accuracy of the arm less that of its baseline
    ``recovered``      (arm - J) / (A - J) of adversarial accuracy: 1 is as good as never seeing the text
    ``passes``         forward passes of the model an answer
    ================== =============================================================================================

    Args:
        tasks: the clips.
        arm: with every option that the rows are to be about.
        name: what it is called in the rows; a tuned one by what was asked for.
    """
    found = [_estimates(sheet, arm) for sheet in tasks]
    return [replace(row, extra={"arm": name}) for row in rows_of([sheet.task for sheet in tasks], found)]


def _estimates(sheet: Sheet, arm: Arm) -> Estimates:
    found: Estimates = {}
    for condition in sheet.conditions:
        one = sheet.of(arm, condition)
        estimate = rate(sheet.clips, one.right, one.ok, empty=one.missing or "no answers")
        lost = None if estimate.value is None else one.missing
        found["accuracy", condition, ()] = estimate.noted(lost).noted(one.unread)
    for metric, condition, sign in _CHANGES:
        if condition in sheet.conditions:
            found[metric, None, ()] = _difference(sheet, arm, condition, sign)
    if ADVERSARIAL in sheet.conditions:
        found["recovered", None, ()] = _recovered(sheet, arm)
    everyone = np.ones(len(sheet.cases), dtype=np.bool_)
    passes = np.full(len(sheet.cases), float(arm.passes))
    found["passes", None, ()] = mean_value(sheet.clips, passes, everyone, empty="no clips")
    return found


def _difference(sheet: Sheet, arm: Arm, condition: str, sign: float) -> Estimate:
    values, both = sheet.change(arm, condition)
    now = sheet.of(arm, condition)
    missing = now.missing or sheet.of(baseline(arm), condition).missing
    if not both.any():
        return undefined(sheet.clips, missing or f"no {condition} answers")
    found = mean_of(sheet.clips, sign * values, both, corners=DIFFERENCE, span=(-1.0, 1.0), empty="no answers")
    return found.noted(missing).noted(now.unread)


def _recovered(sheet: Sheet, arm: Arm) -> Estimate:
    """A is the answer without the text, given as the arm gives its own: by scores, or in words."""
    values, both = sheet.change(arm, ADVERSARIAL)
    before = baseline(arm)
    alone = sheet.of(SWITCH, ADVERSARIAL) if before == JOINT else sheet.of(before, NEUTRAL)
    among = both & alone.ok
    lost = alone.right.astype(np.float64) - sheet.of(before, ADVERSARIAL).right
    n = int(among.sum())
    missing = sheet.of(arm, ADVERSARIAL).missing or alone.missing
    if not n:
        return undefined(sheet.clips, missing or f"no {NEUTRAL if both.any() else ADVERSARIAL} answers")
    empty = "the text takes nothing: without it no more answers are right"
    found = ratio(sheet.clips, values, lost, among, corners=RECOVERED, span=(-float(n), float(n)), empty=empty)
    return found.noted(missing)
