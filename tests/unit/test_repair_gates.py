"""Repair arms on the gates of a run: who meets them all, what blocks the others, what it costs."""

from __future__ import annotations

from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.repair_arms import arms_of
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.core.repair_gates import ArmJudged, judge_arms
from pytest_mcr.core.repaired import repaired
from tests.unit.planted_branches import clips

GATES = ("accuracy[adversarial] >= 0.5", "accuracy[faithful] >= 0.9", "tir[adversarial] <= 0.3")


def judged(
    cases: list[RepairCase], *gates: str, arms: tuple[str, ...] = ("aad", "gacl?lambda=1"), tune: bool = False
) -> dict[str, ArmJudged]:
    repairs = repaired(cases, arms_of(arms), tune=tune, budget=0.05, seed=0)
    found = judge_arms(cases, repairs, [parse_gate(gate) for gate in gates or GATES], {})
    return {one.arm: one for one in found}


def test_what_goes_to_the_audio_meets_the_gates_of_a_text_follower() -> None:
    found = judged(clips(40))
    assert list(found) == [
        "hard-switch",
        "gacl?lambda=1",
        "aad",
    ]  # of equals that with fewer passes; the blocked one last
    assert found["hard-switch"].meets_all
    assert (found["hard-switch"].met, found["hard-switch"].judged, found["hard-switch"].blocked) == (3, 3, ())
    drop = found["hard-switch"].drop
    assert drop is not None
    assert drop.value == 0
    assert not found["aad"].meets_all
    assert found["aad"].blocked == ("accuracy[adversarial] >= 0.5", "tir[adversarial] <= 0.3")


def test_gates_that_an_arms_answers_cannot_tell_are_counted() -> None:
    found = judged(clips(40), *GATES, "overconfidence[adversarial] <= 0.4", "gain[hard-switch] >= 0.5")
    assert (found["hard-switch"].judged, found["hard-switch"].left_out) == (3, 2)


def test_text_labels_tell_followed_answers_from_other_wrong_ones() -> None:
    cases = clips(40)
    repairs = repaired(cases, arms_of(("aad",)), tune=False, budget=0.05, seed=0)
    gates = [parse_gate("text_follow[adversarial] <= 0.5")]
    wrong = {}
    for case in cases:
        wrong[case.sample, "adversarial"] = next(label for label in case.candidates if label != case.gold)
    blind, told = ({one.arm: one for one in judge_arms(cases, repairs, gates, labels)} for labels in ({}, wrong))
    assert blind["hard-switch"].blocked == ("text_follow[adversarial] <= 0.5",)  # undefined
    assert told["hard-switch"].meets_all
    assert told["aad"].blocked


def test_tuned_arms_are_judged_on_the_clips_they_were_not_chosen_on() -> None:
    cases = clips(80)
    repairs = repaired(cases, arms_of(("gacl",)), tune=True, budget=0.05, seed=0)
    (gacl,) = [one for one in judge_arms(cases, repairs, [parse_gate(GATES[0])], {}) if one.arm == "gacl"]
    assert gacl.chosen == repairs.selection["arms"]["gacl"]["chosen"]
    assert gacl.chosen != "gacl"


def test_nothing_asked_nothing_judged() -> None:
    assert judged([]) == {}
