"""How many errors and unparsed answers a run may have before its numbers cannot be trusted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_mcr.core.case import CONDITIONS, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Breach:
    """One task and condition over a budget.

    Attributes:
        kind: ``errors`` or ``unparsed``.
        count: cases of that kind.
        allowed: how many would have been allowed.
        n: cases reported.
    """

    task: str
    condition: str
    kind: str
    count: int
    allowed: int
    n: int

    def __str__(self) -> str:
        what = "errors" if self.kind == "errors" else "unparsed answers"
        return f"{self.task}[{self.condition}]: {self.count} {what} in {self.n} cases, {self.allowed} allowed"


def allowed(budget: float, n: int) -> int:
    """How many of n cases a budget (a share) allows: one always, also on few cases."""
    return max(1, math.floor(budget * n + 1e-9))  # 0.29 * 100 is 28.999...


def check_budgets(outcomes: Iterable[Outcome], max_errors: float, max_unparsed: float) -> tuple[Breach, ...]:
    """Every task and condition over a budget, by task, then in the canonical order of conditions.

    The placebo is a control and has no budget of its own.

    Args:
        outcomes: of the whole run.
        max_errors: share of cases that may end in an error, e.g. 0.01.
        max_unparsed: share of cases whose answer may be unreadable, e.g. 0.05.
    """
    cases: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str, Verdict]] = Counter()
    for outcome in outcomes:
        cases[outcome.task, outcome.condition] += 1
        found[outcome.task, outcome.condition, outcome.verdict] += 1
    breaches: list[Breach] = []
    for task in sorted({task for task, _ in cases}):
        for condition in CONDITIONS:
            n = cases[task, condition]
            for kind, verdict, budget in (
                ("errors", Verdict.ERROR, max_errors),
                ("unparsed", Verdict.UNPARSED, max_unparsed),
            ):
                count, limit = found[task, condition, verdict], allowed(budget, n)
                if count > limit:
                    breaches.append(Breach(task, condition, kind, count, limit, n))
    return tuple(breaches)
