"""The numbers of repair arms on planted clips: closed forms, plain references, lost branches, pairs and clips."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.gates import judge_gate
from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.metrics import Metric, Table
from pytest_mcr.core.repair_arms import Arm, arms_of, parse_arm
from pytest_mcr.core.repair_cases import NO_SCORES, RepairCase
from pytest_mcr.core.repair_rows import repair_rows, sheets
from pytest_mcr.core.repaired import repaired
from tests.unit.planted_branches import clip, clips

ARMS = ("joint", "hard-switch", "gacl?lambda=1", "aad", "pmi", "contextual")


def rows(cases: list[RepairCase], *arms: str) -> dict[tuple[str, str, str | None, str], Metric]:
    parsed = [Arm(text) if text == "prompt:none" else parse_arm(text) for text in arms or ARMS]
    found = [row for arm in parsed for row in repair_rows(sheets(cases), arm, arm.text)]
    return {(str(row.extra["arm"]), row.metric, row.condition, row.task): row for row in found}


def test_a_text_follower_is_repaired_by_whatever_goes_to_the_audio() -> None:
    found = rows(clips(30))
    for arm in ("hard-switch", "gacl?lambda=1"):
        assert found[arm, "gain", None, "*"].value == 1.0
        assert found[arm, "recovered", None, "*"].value == 1.0
        for metric in ("drop", "irrelevant_drop", "neutral_change"):
            assert found[arm, metric, None, "*"].value == 0.0, (arm, metric)
    for arm in ("joint", "pmi", "contextual", "aad"):
        assert found[arm, "gain", None, "*"].value == 0.0, arm
    assert found["joint", "accuracy", "adversarial", "AQA"].value == 0.0
    assert [found[arm, "passes", None, "*"].value for arm in ARMS] == [1, 1, 2, 2, 2, 3]


def test_a_listener_has_nothing_to_gain_and_loses_nothing() -> None:
    found = rows(clips(30, follows=0.0))
    for arm in ("joint", "hard-switch", "gacl?lambda=1", "aad"):
        for metric in ("gain", "drop", "irrelevant_drop", "neutral_change"):
            assert found[arm, metric, None, "*"].value == 0.0, (arm, metric)
        recovered = found[arm, "recovered", None, "*"]
        assert recovered.value is None
        assert "the text takes nothing" in str(recovered.note)


def test_values_agree_with_plain_counting() -> None:
    rng = np.random.default_rng(3)
    cases = []
    for n in range(60):
        made = clip("SER", n, heard=bool(rng.random() < 0.7), follows=float(rng.uniform(0.5, 0.99)))
        cases.append(replace(made, cluster=f"clip {n // 2}"))  # two samples a clip
    found = rows(cases)

    def right(case: RepairCase, arm: str, condition: str) -> bool:
        return case.given(parse_arm(arm), condition).right

    for arm in ARMS:
        for metric, condition, sign in (("gain", "adversarial", 1), ("drop", "faithful", -1)):
            deltas = [sign * (right(case, arm, condition) - right(case, "joint", condition)) for case in cases]
            row = found[arm, metric, None, "SER"]
            assert row.value == pytest.approx(np.mean(deltas))
            assert (row.n, row.clusters) == (60, 30)
        joint, alone, now = (
            sum(right(case, name, "adversarial") for case in cases) for name in ("joint", "hard-switch", arm)
        )
        assert found[arm, "recovered", None, "SER"].value == pytest.approx((now - joint) / (alone - joint))
        share = np.mean([right(case, arm, "irrelevant") for case in cases])
        assert found[arm, "accuracy", "irrelevant", "SER"].value == pytest.approx(share)
    for row in found.values():
        json.dumps(row.to_json(), allow_nan=False)
        spec = METRICS[row.metric]
        if row.value is not None:
            assert row.low is not None
            assert row.high is not None
            assert row.low - 1e-9 <= row.value <= row.high + 1e-9
            assert spec.low <= row.value <= spec.high


def test_a_lost_branch_is_counted_and_no_score() -> None:
    cases = clips(20, tasks=("SER",))
    kept = {name: scores for name, scores in cases[0].scores.items() if name != "text:adversarial"}
    cases[0] = replace(cases[0], scores=kept, errors={"text:adversarial": "no silence please"})
    found = rows(cases)
    assert found["aad", "gain", None, "SER"].n == 19
    assert found["aad", "gain", None, "SER"].note == "no silence please (1 of 20)"
    assert found["aad", "accuracy", "adversarial", "SER"].n == 19
    assert found["hard-switch", "gain", None, "SER"].n == 20
    whole = repaired(cases, arms_of(("aad",)), tune=False, budget=0.05, seed=0)
    assert whole.problems == ("1 of 180 prompts of the mitigation suite had an error",)


def test_a_model_that_takes_no_prompt_without_audio_is_no_error() -> None:
    cases = []
    for case in clips(10, tasks=("SER",)):
        kept = {name: scores for name, scores in case.scores.items() if name != "nothing"}
        errors = dict.fromkeys(("nothing", *(f"text_alone:{c}" for c in case.conditions[1:])), "needs audio")
        cases.append(replace(case, scores=kept, errors=errors))
    found = repaired(cases, arms_of(("aad?without=none", "gacl")), tune=False, budget=0.05, seed=0)
    assert found.problems == ()
    by_arm = {(row.extra["arm"], row.metric): row for row in found.judged if row.task == "*"}
    assert by_arm["aad?without=none", "gain"].value is None
    assert by_arm["aad?without=none", "gain"].note == "needs audio (10 of 10)"
    assert by_arm["gacl", "gain"].value is not None


def test_without_scores_there_are_prompts_only() -> None:
    cases = []
    for case in clips(12, tasks=("AQA",)):
        answers = {f"prompt {name}:{c}": case.gold for name in ("none", "reason") for c in case.conditions}
        rights = dict.fromkeys(answers, True)
        rights["prompt none:adversarial"] = False
        cases.append(replace(case, scores=dict.fromkeys(case.scores), answers=answers, rights=rights))
    found = rows(cases, "gacl", "prompt:reason", "prompt:none")
    assert found["gacl", "gain", None, "*"].value is None
    assert NO_SCORES in str(found["gacl", "gain", None, "*"].note)
    assert found["prompt:none", "gain", None, "*"].value == 0.0
    assert found["prompt:reason", "gain", None, "*"].value == 1.0
    assert found["prompt:reason", "recovered", None, "*"].value == 1.0
    assert found["prompt:reason", "drop", None, "*"].value == 0.0


def test_gates_ask_for_an_arm() -> None:
    table = Table([row for row in rows(clips(30), *ARMS).values() if row.condition is None])
    texts = (
        "gain[gacl?lambda=1.0] >= 0.3@95", "drop[gacl?lambda=1] <= 0.05", "gain[aad] >= 0.3",
        "SER.gain[hard-switch] > 0.9", "gain[self-gated] >= 0",
    )  # fmt: skip
    verdicts = {text: judge_gate(parse_gate(text), table, hearing={})[0].verdict for text in texts}
    assert list(verdicts.values()) == ["pass", "pass", "fail", "pass", "invalid"]


def test_the_wire_and_the_order_change_nothing() -> None:
    cases = clips(12, unheard=3)
    packed = json.loads(json.dumps([case.to_json() for case in cases]))
    assert [RepairCase.from_json(one) for one in packed] == cases
    arms = arms_of(())
    there = repaired(cases, arms, tune=False, budget=0.05, seed=0)
    assert repaired(cases[::-1], arms, tune=False, budget=0.05, seed=0) == there
    assert there.names[:2] == ("joint", "hard-switch")
    assert repaired([], arms, tune=True, budget=0.05, seed=0).rows == ()


def test_conditions_that_were_not_asked_have_no_rows() -> None:
    cases = [replace(case, conditions=("neutral", "adversarial")) for case in clips(12)]
    found = rows(cases, "gacl")
    assert {condition for _, _, condition, _ in found} == {None, "neutral", "adversarial"}
    assert not any(metric == "drop" for _, metric, _, _ in found)
