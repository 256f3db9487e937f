"""The judgement of gates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, Outcome
from pytest_mcr.core.gates import GateResult, judge_clusters, judge_gate, parse_gate
from pytest_mcr.core.hearing import annotate, hearing_test
from pytest_mcr.core.metrics import measure
from tests.unit.outcomes import ERROR, LABELS, OTHER, RIGHT, UNPARSED, listener, planted, rates

HITS = {NEUTRAL: 90, FAITHFUL: 95, ADVERSARIAL: 60, IRRELEVANT: 88}


def judge(expr: str, outcomes: list[Outcome], *, explicit: bool = True) -> GateResult:
    hearing = hearing_test(outcomes, permutations=300)
    table = annotate(measure(outcomes), hearing)
    (result,) = judge_gate(parse_gate(expr, explicit=explicit), table, hearing=hearing)
    return result


@pytest.mark.parametrize(
    ("expr", "verdict"),
    [
        ("accuracy[adversarial] >= 0.6", "pass"),
        ("accuracy[adversarial] > 0.6", "fail"),
        ("accuracy[adversarial] >= 0.5@95", "pass"),
        ("accuracy[adversarial] >= 0.55@95", "undecided"),
        ("accuracy[adversarial] >= 0.61@95", "fail"),
        ("tir[adversarial] <= 0.45@95", "pass"),
        ("tir[adversarial] <= 0.34@95", "undecided"),
        ("tir[adversarial] <= 0.33", "fail"),
        ("mrs >= 0.5@95", "pass"),
        ("mrs < 0.5", "fail"),
        ("AQA.skill[neutral] >= 0.3@95", "pass"),
    ],
)
def test_pass_fail_undecided(expr: str, verdict: str) -> None:
    result = judge(expr, rates("AQA", HITS, 100))
    assert result.verdict == verdict, result
    assert result.value is not None
    assert result.low is not None
    assert result.high is not None
    assert (result.distance is None) == (verdict == "pass")
    assert ("needs about n = " in result.reason) == (verdict == "undecided")
    assert set(result.to_json()) == {"expr", "value", "low", "high", "verdict", "reason"}


def test_each_is_judged_in_every_task() -> None:
    outcomes = rates("AQA", HITS, 100) + rates("SER", {**HITS, ADVERSARIAL: 20}, 100)
    hearing = hearing_test(outcomes, permutations=300)
    gate = parse_gate("each.accuracy[adversarial] >= 0.5")
    results = judge_gate(gate, measure(outcomes), hearing=hearing)
    assert [(r.expr, r.task, r.verdict, r.gate) for r in results] == [
        ("AQA.accuracy[adversarial] >= 0.5", "AQA", "pass", gate.expr),
        ("SER.accuracy[adversarial] >= 0.5", "SER", "fail", gate.expr),
    ]
    assert results[1].distance == 30


def test_without_hearing_only_accuracy_is_judged() -> None:
    deaf = [
        planted(row, c, RIGHT if row % 3 == 0 else OTHER, gold=LABELS[row % 3]) for c in CONDITIONS for row in range(60)
    ]
    deaf = [replace(o, answer="cough") for o in deaf]
    for expr in (
        "tir[adversarial] <= 0.9",
        "mrs >= 0.1",
        "VSC.normalized_accuracy[faithful] >= 0.1",
        "harm[irrelevant] <= 1",
    ):
        result = judge(expr, deaf)
        assert (result.verdict, result.reason) == ("invalid", "hearing not shown in VSC")
    assert judge("accuracy[adversarial] >= 0.9", deaf).verdict == "fail"
    assert judge("accuracy[adversarial] >= 0.1", deaf).verdict == "pass"


def test_unparsed_answers_that_decide_a_gate_make_it_invalid() -> None:
    outcomes = rates("AQA", HITS, 100)
    for row in (60, 61):
        index = next(i for i, o in enumerate(outcomes) if (o.sample, o.condition) == (f"AQA-{row:04d}", ADVERSARIAL))
        outcomes[index] = replace(outcomes[index], verdict=UNPARSED, answer=None)
    for expr in ("accuracy[adversarial] >= 0.61", "tir[adversarial] <= 0.32", "mrs >= 0.735"):
        result = judge(expr, outcomes)
        assert result.verdict == "invalid"
        assert result.reason.startswith("unparsed answers decide it: between")
    assert judge("accuracy[adversarial] >= 0.63", outcomes).verdict == "fail"
    assert judge("accuracy[adversarial] >= 0.60", outcomes).verdict == "pass"


@pytest.mark.parametrize(
    "expr", ["tir[faithful] <= 0.1", "overconfidence[adversarial] <= 0.4", "auroc[adversarial] >= 0.7@95"]
)
def test_nothing_wrong_passes_a_profile_gate_and_not_an_explicit_one(expr: str) -> None:
    profile, explicit = (judge(expr, listener(40), explicit=choice) for choice in (False, True))
    assert (profile.verdict, profile.reason) == ("pass", "nothing to hold against it: no wrong answers")
    assert (explicit.verdict, explicit.reason) == ("invalid", "undefined: no wrong answers")


def test_other_undefined_numbers() -> None:
    few = [planted(r, ADVERSARIAL, RIGHT if r > 5 else OTHER, confidence=0.9) for r in range(40)] + [
        planted(r, NEUTRAL, RIGHT) for r in range(40)
    ]
    result = judge("overconfidence[adversarial] <= 0.4", few, explicit=False)
    assert (result.verdict, result.reason) == (
        "not_judged",
        "undefined: fewer than 20 wrong answers (6 of 6 above 0.85)",
    )
    assert judge("auroc[neutral] >= 0.4", rates("AQA", HITS, 100), explicit=False).verdict == "not_judged"
    failed = [planted(r, ADVERSARIAL, ERROR) for r in range(9)]
    assert judge("accuracy[adversarial] >= 0.4", failed, explicit=False).verdict == "invalid"


def test_absent_conditions() -> None:
    outcomes = rates("AQA", {NEUTRAL: 90, ADVERSARIAL: 60}, 100)
    profile, explicit = (judge("mrs >= 0.7", outcomes, explicit=choice) for choice in (False, True))
    assert (profile.verdict, explicit.verdict) == ("not_judged", "invalid")
    assert profile.reason == "needs irrelevant, which the run does not have"
    assert judge("tir[placebo] <= 0.1", outcomes, explicit=False).reason == "needs placebo, which the run does not have"
    both = outcomes + rates("SER", {NEUTRAL: 90}, 100)
    assert judge("tir[adversarial] <= 0.9", both, explicit=False).verdict == "invalid"
    assert judge("SER.tir[adversarial] <= 0.9", both, explicit=False).verdict == "invalid"
    assert judge("VSC.tir[adversarial] <= 0.9", both).reason == "no case of task VSC was reported"


def test_eligible_clusters() -> None:
    table = measure(rates("AQA", HITS, 100) + rates("SER", {**HITS, NEUTRAL: 50}, 100))
    enough, few = judge_clusters(table, 50), judge_clusters(table, 60)
    assert (enough.expr, enough.verdict, enough.value) == ("each.eligible clusters >= 50", "pass", 50.0)
    assert (few.verdict, few.reason) == ("undecided", "needs more clips: SER about 20")
    assert judge_clusters(measure(rates("AQA", {NEUTRAL: 9}, 10)), 5).verdict == "not_judged"
    deaf = judge_clusters(measure(rates("AQA", {NEUTRAL: 0, ADVERSARIAL: 0}, 10)), 5)
    assert (deaf.verdict, deaf.reason) == ("undecided", "needs more clips: AQA has no eligible clip of 5")
