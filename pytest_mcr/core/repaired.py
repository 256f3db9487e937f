"""The mitigation suite's result: the rows of every arm, and how their options were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_mcr.core.metrics import OVERALL, Metric
from pytest_mcr.core.prompt_arms import PROMPT_ARMS
from pytest_mcr.core.repair_arms import PERTURBED, PROMPT, Arm, perturbation
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.core.repair_rows import JOINT, Sheet, repair_rows, sheets
from pytest_mcr.core.repair_tune import nauc_rows, select, split, to_json, too_few


@dataclass(frozen=True, slots=True)
class Repaired:
    """What the arms did.

    Attributes:
        rows: one number each; without a condition, or ``accuracy`` by condition; all with the extra key ``arm``.
        names: the arms, in the order in which they are shown.
        selection: how options were chosen (``--mcr-tune``), builtins; empty without.
        problems: why the run fails, one line each.
    """

    rows: tuple[Metric, ...] = ()
    names: tuple[str, ...] = ()
    selection: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What ``results.json`` holds beside the rows: versions of the prompts, and how options were chosen."""
        prompts = [name.removeprefix(PROMPT) for name in self.names if name.startswith(PROMPT)]
        versions = {name: PROMPT_ARMS[name].version for name in prompts if name in PROMPT_ARMS}
        return {"arms": list(self.names), "prompts": versions, "tuned": self.selection or None}

    @property
    def judged(self) -> tuple[Metric, ...]:
        """The rows that gates may ask for."""
        return tuple(row for row in self.rows if row.condition is None)

    @property
    def by_condition(self) -> tuple[Metric, ...]:
        """The other rows."""
        return tuple(row for row in self.rows if row.condition is not None)


def repaired(cases: Sequence[RepairCase], arms: Sequence[Arm], *, tune: bool, budget: float, seed: int) -> Repaired:
    """Compare the arms.

    Args:
        cases: at most one a sample; any order.
        arms: as asked for, the controls among them.
        tune: choose the options that were left open on a dev split, and report on the others only.
        budget: largest faithful drop on the dev split.
        seed: of the split.
    """
    cases = sorted(cases, key=lambda case: (case.task, case.sample))
    if not cases:
        return Repaired()
    names = tuple(arm.text for arm in arms)
    lost = [error for case in cases for error in case.failures]
    asked = sum(case.asked for case in cases)
    problems = (f"{len(lost)} of {asked} prompts of the mitigation suite had an error",) if lost else ()
    if not tune:
        tasks = sheets(cases)
        plain = [row for arm in arms for row in _rows(tasks, arm, arm, seed)]
        return Repaired(_ordered(plain), names, {}, problems)
    dev, test = split(cases, seed)
    few = too_few(dev, test)
    if few is not None:
        return Repaired((), names, {}, (*problems, f"--mcr-tune: {few}; give more clips"))
    rows, selection = _tuned(dev, test, arms, budget, seed)
    found = {
        "seed": seed,
        "budget": budget,
        "dev": sorted(case.sample for case in dev),
        "test": sorted(case.sample for case in test),
        "arms": selection,
    }
    return Repaired(_ordered(rows), names, found, problems)


def _ordered(rows: Sequence[Metric]) -> tuple[Metric, ...]:
    """Tasks by name, then the rows over them; arms in their order within each."""
    return tuple(sorted(rows, key=lambda row: (row.task == OVERALL, row.task)))


def _rows(tasks: Sequence[Sheet], arm: Arm, asked: Arm, seed: int) -> list[Metric]:
    """The rows of an arm under the name that was asked for; of a perturbed branch they say how it was made."""
    rows = repair_rows(tasks, arm, asked.text)
    made = [perturbation(branch, seed) for branch in arm.branches if branch.startswith(PERTURBED)]
    return [_noted(row, f"P is the clip under {made[0]}") for row in rows] if made else rows


def _tuned(
    dev: Sequence[RepairCase], test: Sequence[RepairCase], arms: Sequence[Arm], budget: float, seed: int
) -> tuple[list[Metric], dict[str, Any]]:
    """Rows on the test split alone; an arm without a setting within the budget has no numbers."""
    rows: list[Metric] = []
    told: dict[str, Any] = {}
    tasks = sheets(test)
    for arm in arms:
        if len(arm.settings) == 1:
            rows += _rows(tasks, arm, arm, seed)
            continue
        selection = select(dev, arm, budget)
        told[arm.text] = to_json(selection, test)
        if selection.chosen is None:
            why = f"no setting keeps the faithful drop within {budget:g} on the dev split"
            rows += [_without(row, why) for row in repair_rows(tasks, JOINT, arm.text)]
        else:
            note = f"chosen on the dev split: {selection.chosen.arm.text}"
            rows += [_noted(row, note) for row in _rows(tasks, selection.chosen.arm, arm, seed)]
        rows += nauc_rows(test, selection)
    return rows, told


def _noted(row: Metric, note: str) -> Metric:
    return replace(row, note=f"{row.note}; {note}" if row.note else note)


def _without(row: Metric, why: str) -> Metric:
    return replace(
        row, value=None, low=None, high=None, lower95=None, upper95=None, n=0, clusters=0, note=why, step=None
    )
