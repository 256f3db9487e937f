"""Budgets for errors and unparsed answers, by task and condition."""

from __future__ import annotations

import pytest

from pytest_mcr.core.budgets import Breach, allowed, check_budgets
from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, PLACEBO, Outcome, Verdict
from tests.unit.outcomes import ERROR, RIGHT, UNPARSED, planted


def run(verdict: Verdict, count: int, n: int, condition: str = NEUTRAL) -> list[Outcome]:
    return [planted(row, condition, verdict if row < count else RIGHT) for row in range(n)]


@pytest.mark.parametrize(
    ("budget", "n", "expected"),
    [
        (0.01, 5, 1),
        (0.01, 100, 1),
        (0.01, 199, 1),
        (0.01, 200, 2),
        (0.05, 20, 1),
        (0.05, 60, 3),
        (0.29, 100, 29),
        (0, 50, 1),
    ],
)
def test_what_is_allowed(budget: float, n: int, expected: int) -> None:
    assert allowed(budget, n) == expected


def test_one_case_is_always_allowed_and_the_next_is_a_breach() -> None:
    assert check_budgets(run(ERROR, 1, 3), 0.01, 0.05) == ()
    breach = check_budgets(run(ERROR, 2, 100), 0.01, 0.05)
    assert breach == (Breach("VSC", NEUTRAL, "errors", 2, 1, 100),)
    assert str(breach[0]) == "VSC[neutral]: 2 errors in 100 cases, 1 allowed"


def test_conditions_have_their_own_budgets_and_the_placebo_none() -> None:
    outcomes = run(UNPARSED, 1, 20) + run(UNPARSED, 2, 20, ADVERSARIAL) + run(UNPARSED, 9, 20, PLACEBO)
    assert [str(b) for b in check_budgets(outcomes, 0.01, 0.05)] == [
        "VSC[adversarial]: 2 unparsed answers in 20 cases, 1 allowed"
    ]
