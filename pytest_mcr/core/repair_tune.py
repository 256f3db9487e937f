"""Choosing an arm's options without leakage: on one part of the clips, under a budget, reported on the rest.

The dev split holds half of the clips, grouped so that no recording and no split group is on both sides. There the
setting with the largest gain is chosen among those that lose no more faithful answers than the budget allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from pytest_mcr.core.betting import DIFFERENCE
from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL
from pytest_mcr.core.estimates import Estimate, mean_of, undefined
from pytest_mcr.core.head_cases import dev_clusters
from pytest_mcr.core.metrics import Metric, rows_of
from pytest_mcr.core.rates import Estimates
from pytest_mcr.core.repair_arms import Arm
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.core.repair_rows import Sheet, baseline, sheets

DEV_SHARE: Final = 0.5
LEAST_CLIPS: Final = 10
"""Clips of each task on either side below which nothing is chosen."""
_ROUNDING: Final = 1e-9

Cases = Sequence[RepairCase]


@dataclass(frozen=True, slots=True)
class Setting:
    """An arm with all its options, and what it did on the dev split: means over tasks, as shares."""

    arm: Arm
    gain: float
    drop: float


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the frontier: what is chosen for faithful-drop budgets from ``low`` to ``high``; None: no repair."""

    low: float
    high: float
    setting: Setting | None


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen for an arm.

    Attributes:
        asked: the arm as it was asked for.
        chosen: on the dev split; None where every setting costs more than the budget.
        frontier: over budgets from 0 to the budget.
        tried: number of settings.
    """

    asked: Arm
    chosen: Setting | None
    frontier: tuple[Step, ...]
    tried: int


def split(cases: Cases, seed: int) -> tuple[list[RepairCase], list[RepairCase]]:
    """Dev and test, by clip; which answers were given plays no part in it."""
    dev = dev_clusters(cases, DEV_SHARE, seed)
    return [case for case in cases if case.cluster in dev], [case for case in cases if case.cluster not in dev]


def too_few(dev: Cases, test: Cases) -> str | None:
    """Why nothing can be chosen: a task with too few clips on a side."""
    for name, side in (("dev", dev), ("test", test)):
        for task in sorted({case.task for case in (*dev, *test)}):
            clips = len({case.cluster for case in side if case.task == task})
            if clips < LEAST_CLIPS:
                return f"{task} has {clips} clips in the {name} split, {LEAST_CLIPS} are the least to choose by"
    return None


def select(dev: Cases, arm: Arm, budget: float) -> Selection:
    """Choose the setting with the largest gain whose faithful drop is within the budget; of equals the smallest drop.

    Args:
        dev: the clips that may be looked at.
        arm: with the options that are fixed.
        budget: largest faithful drop, mean over tasks, as a share of the answers.
    """
    tasks = sheets(dev)
    tried = [Setting(one, _moved(tasks, one, ADVERSARIAL), 0.0 - _moved(tasks, one, FAITHFUL)) for one in arm.settings]
    frontier = _frontier([one for one in tried if np.isfinite(one.gain) and np.isfinite(one.drop)], budget)
    within = [one for one in tried if one.drop <= budget + _ROUNDING and np.isfinite(one.gain)]
    return Selection(arm, _best(within), frontier, len(tried))


def _moved(tasks: Sequence[Sheet], arm: Arm, condition: str) -> float:
    """Mean over tasks of an arm's change; NaN where a task has none."""
    return float(np.mean([sheet.mean_change(arm, condition) for sheet in tasks]))


def _best(settings: Sequence[Setting]) -> Setting | None:
    return min(settings, key=lambda one: (-round(one.gain, 9), round(one.drop, 9)), default=None)


def _frontier(settings: Sequence[Setting], budget: float) -> tuple[Step, ...]:
    """What would be chosen at every budget up to this one; without a setting that gains, no repair."""
    ends = sorted({0.0, budget} | {one.drop for one in settings if 0 < one.drop < budget - _ROUNDING})
    steps: list[Step] = []
    for low, high in zip(ends, [*ends[1:], budget], strict=True):
        found = _best([one for one in settings if one.drop <= low + _ROUNDING and one.gain > 0])
        if steps and steps[-1].setting == found:
            steps[-1] = replace(steps[-1], high=high)
        else:
            steps.append(Step(low, high, found))
    return tuple(steps)


def nauc_rows(test: Cases, selection: Selection) -> list[Metric]:
    """``nauc``: the mean over budgets of what the setting chosen for each gains on the test split.

    (1/B) times the integral of the frontier from 0 to B. A clip's part in it is the weighted mean of its differences,
    so that the interval is that of a paired difference.
    """
    tasks = sheets(test)
    found: list[Estimates] = [{("nauc", None, ()): _area(sheet, selection)} for sheet in tasks]
    rows = rows_of([sheet.task for sheet in tasks], found)
    return [replace(row, extra={"arm": selection.asked.text}) for row in rows]


def _area(sheet: Sheet, selection: Selection) -> Estimate:
    width = selection.frontier[-1].high
    if width <= 0:
        return undefined(sheet.clips, "a budget of 0 has no area")
    total, both = np.zeros(len(sheet.cases)), sheet.of(baseline(selection.asked), ADVERSARIAL).ok
    for step in selection.frontier:
        if step.setting is not None:
            values, known = sheet.change(step.setting.arm, ADVERSARIAL)
            total, both = total + values * (step.high - step.low) / width, both & known
    return mean_of(sheet.clips, total, both, corners=DIFFERENCE, span=(-1.0, 1.0), empty="no adversarial answers")


def to_json(selection: Selection, test: Cases) -> dict[str, Any]:
    """The selection for ``results.json``: what was chosen, and the frontier with its gain on the test split."""
    steps = [
        {
            "from": step.low,
            "to": step.high,
            "chosen": None if step.setting is None else step.setting.arm.text,
            "dev": None if step.setting is None else {"gain": step.setting.gain, "drop": step.setting.drop},
            "test": None if step.setting is None else on(test, step.setting.arm),
        }
        for step in selection.frontier
    ]
    chosen = selection.chosen
    return {
        "chosen": None if chosen is None else chosen.arm.text,
        "tried": selection.tried,
        "dev": None if chosen is None else {"gain": chosen.gain, "drop": chosen.drop},
        "frontier": steps,
    }


def on(cases: Cases, arm: Arm) -> dict[str, float | None]:
    """Gain and drop of an arm on some clips, means over tasks; None where there are no answers to compare."""
    tasks = sheets(cases)
    moved = {"gain": _moved(tasks, arm, ADVERSARIAL), "drop": 0.0 - _moved(tasks, arm, FAITHFUL)}
    return {name: value if np.isfinite(value) else None for name, value in moved.items()}
