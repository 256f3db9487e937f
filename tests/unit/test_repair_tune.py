"""Choosing options: within the budget, on the dev split, and never with a look at the test split."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.repair_arms import arms_of, parse_arm
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.core.repair_tune import select, split, too_few
from pytest_mcr.core.repaired import Repaired, repaired
from tests.unit.planted_branches import clip, clips

BUDGET = 0.05


def mixed(count: int = 40, seed: int = 0) -> list[RepairCase]:
    """Clips that differ in how sure the audio and how strong the text is, so that options matter."""
    rng = np.random.default_rng(seed)
    return [
        clip(
            task, n, heard=bool(rng.random() < 0.8), follows=float(rng.uniform(0.6, 0.99)),
            sure=float(rng.uniform(0.5, 0.99)),
        )
        for task in ("AQA", "SER")
        for n in range(count)
    ]  # fmt: skip


def tuned(cases: list[RepairCase], *arms: str, budget: float = BUDGET, seed: int = 0) -> Repaired:
    return repaired(cases, arms_of(arms), tune=True, budget=budget, seed=seed)


def numbers(found: Repaired, arm: str) -> dict[tuple[str, Any, str], Any]:
    return {
        (row.metric, row.condition, row.task): (row.value, row.low, row.high, row.n)
        for row in found.rows
        if row.extra["arm"] == arm
    }


@pytest.mark.parametrize("budget", [0.0, 0.05, 0.3])
def test_the_best_within_the_budget_is_chosen(budget: float) -> None:
    dev, _ = split(mixed(), 0)
    for arm in ("gacl", "self-gated", "aad", "pmi"):
        found = select(dev, parse_arm(arm), budget)
        tried = {}
        for one in parse_arm(arm).settings:
            parts: dict[str, list[float]] = {"adversarial": [], "faithful": []}
            for task in ("AQA", "SER"):
                own = [case for case in dev if case.task == task]
                for condition, values in parts.items():
                    now = [case.given(one, condition).right for case in own]
                    before = [case.given(parse_arm("joint"), condition).right for case in own]
                    values.append(sum(now) / len(own) - sum(before) / len(own))
            tried[one] = (sum(parts["adversarial"]) / 2, -sum(parts["faithful"]) / 2)
        within = {one: gain for one, (gain, drop) in tried.items() if drop <= budget + 1e-9}
        assert found.tried == len(tried)
        assert (found.chosen is None) == (not within)
        if found.chosen is not None:
            assert found.chosen.gain == pytest.approx(max(within.values()))
            assert found.chosen.drop <= budget + 1e-9
            assert tried[found.chosen.arm] == pytest.approx((found.chosen.gain, found.chosen.drop))


def test_the_frontier_covers_the_budget_and_never_falls() -> None:
    dev, _ = split(mixed(), 0)
    steps = select(dev, parse_arm("self-gated"), 0.3).frontier
    assert steps[0].low == 0
    assert steps[-1].high == 0.3
    assert all(one.high == two.low for one, two in itertools.pairwise(steps))
    gains = [0.0 if step.setting is None else step.setting.gain for step in steps]
    assert gains == sorted(gains)
    assert all(step.setting is None or step.setting.drop <= step.low + 1e-9 for step in steps)
    assert len(steps) > 1


def test_nauc_is_the_mean_gain_over_budgets_on_test() -> None:
    found = tuned(mixed(), "self-gated", budget=0.3)
    steps = found.selection["arms"]["self-gated"]["frontier"]
    area = sum((s["to"] - s["from"]) * (s["test"]["gain"] if s["test"] else 0.0) for s in steps) / 0.3
    (row,) = (row for row in found.rows if row.metric == "nauc" and row.task == "*")
    assert row.value == pytest.approx(area)
    assert row.low is not None
    assert row.low <= area
    (zero,) = (row for row in tuned(mixed(), "self-gated", budget=0.0).rows if row.metric == "nauc" and row.task == "*")
    assert zero.value is None


def test_only_test_clips_are_reported() -> None:
    cases = mixed()
    found = tuned(cases, "gacl", "aad?alpha=1", budget=0.3)
    dev, test = found.selection["dev"], found.selection["test"]
    assert not set(dev) & set(test)
    assert sorted([*dev, *test]) == sorted(case.sample for case in cases)
    assert {row.n for row in found.rows if row.task == "*" and row.value is not None} == {len(test)}
    chosen = found.selection["arms"]["gacl"]["chosen"]
    kept = [case for case in cases if case.sample in test]
    fixed = repaired(kept, arms_of((chosen,)), tune=False, budget=BUDGET, seed=0)
    own = {key: value for key, value in numbers(found, "gacl").items() if key[0] != "nauc"}
    assert own == numbers(fixed, chosen)
    assert "aad?alpha=1" not in found.selection["arms"]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99))
def test_no_clip_and_no_group_is_on_both_sides(seed: int) -> None:
    cases = [replace(case, cluster=f"{case.task} {n // 3}", digest=f"{n // 2}") for n, case in enumerate(mixed())]
    dev, test = split(cases, seed)
    assert not {case.cluster for case in dev} & {case.cluster for case in test}
    assert not {case.digest for case in dev} & {case.digest for case in test}


def relabelled(side: list[RepairCase], seed: int) -> list[RepairCase]:
    """The same clips with golds drawn by lot."""
    rng = np.random.default_rng(seed)
    return [replace(case, gold=str(rng.choice(case.candidates))) for case in side]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99))
def test_labels_of_the_test_side_choose_nothing(seed: int) -> None:
    cases = mixed(20)
    dev, test = split(cases, 0)
    again, other = split([*dev, *relabelled(test, seed)], 0)
    assert again == dev
    assert [case.sample for case in other] == [case.sample for case in test]
    for arm in ("gacl?norm=center", "self-gated"):
        assert select(again, parse_arm(arm), 0.3) == select(dev, parse_arm(arm), 0.3)


def test_labels_of_the_dev_side_move_no_number_of_a_fixed_arm() -> None:
    cases = mixed(20)
    dev, test = split(cases, 0)
    fixed = "gacl?lambda=1&tau=0.5&norm=center"
    there, moved = tuned(cases, fixed, "self-gated"), tuned([*relabelled(dev, 1), *test], fixed, "self-gated")
    for arm in ("joint", "hard-switch", fixed):
        assert numbers(moved, arm) == numbers(there, arm)
    assert moved.selection["arms"] != there.selection["arms"]  # the choice does look at them


def test_too_few_clips_choose_nothing_and_say_so() -> None:
    found = tuned(mixed(9))
    assert found.rows == ()
    assert found.problems == (
        "--mcr-tune: AQA has 4 clips in the dev split, 10 are the least to choose by; give more clips",
    )
    assert too_few(*split(mixed(20), 0)) is None


def test_an_arm_that_costs_too_much_has_no_numbers() -> None:
    cases = clips(40, unheard=5)  # half of the clips are not heard, and the text is right there in faithful
    found = tuned(cases, "self-gated", "pmi?of=audio")
    rows = {row.metric: row for row in found.rows if row.extra["arm"] == "pmi?of=audio" and row.task == "*"}
    assert rows["gain"].value is None
    assert rows["gain"].note == "no setting keeps the faithful drop within 0.05 on the dev split"
    assert found.selection["arms"]["pmi?of=audio"]["chosen"] is None
    assert rows["nauc"].value == 0.0
    assert found.selection["arms"]["self-gated"]["chosen"] == "self-gated?kappa=2"
