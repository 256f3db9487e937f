"""Planted truths of the calibration head: it wins where the branches tell, and never where they tell nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_mcr.core.features import BranchScores
from pytest_mcr.core.head import fit_head, temperature_of
from pytest_mcr.core.head_cases import HeadCase, dev_clusters, given_confidence
from pytest_mcr.core.head_study import (
    HELD_OUT,
    Pair,
    at_prevalences,
    choose_threshold,
    compared,
    fit_pair,
    robustness,
    unseen_tasks,
)
from tests.unit.heads import guessed, pulled


def split(cases: list[HeadCase]) -> tuple[list[HeadCase], list[HeadCase]]:
    dev = dev_clusters(cases, 0.5, 0)
    return [c for c in cases if c.cluster in dev], [c for c in cases if c.cluster not in dev]


def test_it_beats_temperature_scaling_where_a_text_pulls() -> None:
    dev, test = split(pulled(200))
    rows = {(r["condition"], r["measure"]): r for r in compared(fit_pair("correctness", dev), test, HELD_OUT, 0)}
    ece = rows["adversarial", "ece"]
    assert ece["raw"] > 0.8
    assert ece["temperature"] > 0.4
    assert ece["head"] < 0.25
    for measure in ("ece", "brier", "nll"):
        assert rows["adversarial", measure]["high"] < 0, measure
        assert rows["all", measure]["high"] < 0, measure
    assert rows["all", "auroc"]["low"] > 0
    assert rows["all", "aurc"]["high"] < 0


def test_without_signal_it_wins_nothing() -> None:
    """Ranks must not get better, and a head must not get far worse than the temperature, on four worlds of noise."""
    better = 0
    for seed in range(4):
        dev, test = split(guessed(120, seed))
        rows = {(r["condition"], r["measure"]): r for r in compared(fit_pair("correctness", dev), test, HELD_OUT, 0)}
        for measure in ("auroc", "aurc"):
            row = rows["all", measure]
            better += (row["low"] > 0) if measure == "auroc" else (row["high"] < 0)
        better += rows["adversarial", "ece"]["high"] < 0
        assert rows["all", "brier"]["difference"] < 0.05
    assert better <= 2  # of 12 intervals of 95 %


def test_a_conflict_head_finds_conflicts() -> None:
    dev, test = split(pulled(200))
    pair = fit_pair("conflict", dev)
    rows = {r["measure"]: r for r in compared(pair, test, HELD_OUT, 0)}
    assert rows["auroc"]["head"] > 0.9
    noise = {
        r["measure"]: r
        for seed in (0,)
        for r in compared(fit_pair("conflict", split(guessed(200, seed))[0]), split(guessed(200, seed))[1], HELD_OUT, 0)
    }
    assert 0.4 < noise["auroc"]["head"] < 0.6


def test_prevalence() -> None:
    dev, test = split(pulled(200))
    rows = {(r["prevalence"], r["measure"]): r for r in at_prevalences(fit_head("conflict", dev), test, 0)}
    for share in (0.01, 0.10, 0.33):
        assert rows[share, "brier"]["base_rate"] == pytest.approx(share * (1 - share))
        assert rows[share, "nll"]["head"] < rows[share, "nll"]["base_rate"]
    assert rows[0.01, "brier"]["recall"] < rows[0.33, "brier"]["recall"]
    alone = at_prevalences(fit_head("conflict", dev), [c for c in test if c.condition == "faithful"], 0)
    assert "one class" in alone[0]["note"]


def test_the_robustness_row_keeps_its_budget_on_dev() -> None:
    dev, test = split(pulled(300))
    head = fit_head("conflict", dev)
    threshold = choose_threshold(head, dev, 0.05)
    assert threshold is not None
    on_dev = {(r["rule"], r["condition"]): r for r in robustness(head, threshold, dev)}
    assert on_dev["head", "faithful"]["change"] >= -0.05
    on_test = {(r["rule"], r["condition"]): r for r in robustness(head, threshold, test)}
    assert on_test["head", "adversarial"]["low"] > 0.2
    hard = on_test["always A", "adversarial"]
    accuracy = np.mean([c.audio_right for c in test if c.condition == "adversarial"])
    assert hard["accuracy"] == pytest.approx(accuracy)
    assert hard["fired"] == 1
    strict = choose_threshold(head, dev, 1e-9)
    assert strict is None or strict >= threshold


def test_the_rule_keeps_faithful_answers_where_the_hard_switch_loses_them() -> None:
    """A model that hears six clips in ten: without its text it loses four faithful answers in ten."""
    dev, test = split(pulled(400, hears=0.6))
    head = fit_head("conflict", dev)
    ruled = {(r["rule"], r["condition"]): r for r in robustness(head, choose_threshold(head, dev, 0.05), test)}
    assert ruled["always A", "faithful"]["high"] < -0.2
    assert ruled["head", "faithful"]["low"] > -0.15
    assert ruled["head", "faithful"]["change"] > ruled["always A", "faithful"]["change"] + 0.2


def test_no_threshold_where_nothing_is_gained() -> None:
    dev = [replace(c, audio_answer=c.answer) for c in pulled(60)]
    head = fit_head("conflict", dev)
    assert choose_threshold(head, dev, 0.05) is None
    assert all(r["fired"] == 0 for r in robustness(head, None, dev) if r["rule"] == "head")


def test_unseen_tasks_are_left_out_of_the_fit() -> None:
    dev, test = split(pulled(120))
    rows = unseen_tasks("correctness", dev, test, 0)
    assert {r["where"] for r in rows} == {"unseen task SER", "unseen task VSC"}
    only = fit_pair("correctness", [c for c in dev if c.task == "VSC"])
    expected = compared(only, [c for c in test if c.task == "SER"], "unseen task SER", 0)
    assert [r for r in rows if r["where"] == "unseen task SER"] == expected
    one_class = [replace(c, answer=c.gold) if c.task == "VSC" else c for c in dev]
    notes = [r["note"] for r in unseen_tasks("correctness", one_class, test, 0) if "note" in r]
    assert len(notes) == 1
    assert "both classes" in notes[0]


def test_answers_that_say_nothing_leave_correctness_and_stay_in_the_rule() -> None:
    cases = [replace(c, answer=None) if c.condition == "irrelevant" else c for c in pulled(80)]
    dev, test = split(cases)
    rows = compared(fit_pair("correctness", dev), test, HELD_OUT, 0)
    assert "irrelevant" not in {r["condition"] for r in rows}
    ruled = robustness(fit_head("conflict", dev), 0.5, test)
    assert next(r for r in ruled if r["condition"] == "irrelevant")["joint"] == 0


def test_clips_never_cross_the_split() -> None:
    cases = pulled(40)
    shared = [replace(c, digest="digest 0") if c.cluster in ("clip 0", "clip 7", "clip 12") else c for c in cases]
    for seed in range(20):
        dev = dev_clusters(shared, 0.5, seed)
        assert len(dev & {"clip 0", "clip 7", "clip 12"}) in (0, 3)
        learned = {c.digest for c in shared if c.cluster in dev}
        assert not learned & {c.digest for c in shared if c.cluster not in dev}
        for task in ("SER", "VSC"):
            share = len({c.cluster for c in shared if c.task == task} & dev)
            assert 7 <= share <= 13
    assert dev_clusters(shared, 0.5, 1) == dev_clusters(shared[::-1], 0.5, 1) != dev_clusters(shared, 0.5, 2)
    assert len(dev_clusters(pulled(4), 0.01, 0)) == 2
    assert len(dev_clusters(pulled(4), 0.99, 0)) == 2


def test_temperature_flattens_the_overconfident() -> None:
    cases = pulled(100)
    found = temperature_of(cases)
    assert found > 2
    joint = cases[0].scores.joint
    top = max(joint, key=lambda label: joint[label])
    assert given_confidence(joint, top, found) < given_confidence(joint, top)
    assert sum(given_confidence(joint, label, found) for label in joint) == pytest.approx(1)


def test_constant_scores_give_the_base_rate() -> None:
    """Every branch scores every candidate alike: nothing can be told apart, and nothing breaks."""
    flat = dict.fromkeys(("cough", "laugh", "sigh"), -2.0)
    cases = [replace(case, scores=BranchScores(flat, flat, flat, flat)) for case in pulled(40)]
    head = fit_head("correctness", cases)
    found = head.probability(cases)
    assert found == pytest.approx(np.full(len(cases), head.prevalence), abs=1e-6)
    assert set(head.model.scales.tolist()) == {1.0}
    rows = compared(Pair(head, temperature_of(cases)), cases, "x", 0)
    assert {row["head"] for row in rows if row["measure"] == "auroc"} <= {0.5, None}


def test_a_score_that_is_no_number_makes_no_case() -> None:
    flat = {"cough": -2.0, "laugh": -1.0}
    with pytest.raises(ValueError, match="branch T: the score of 'laugh' is nan, no number of nats"):
        BranchScores(flat, flat, flat | {"laugh": float("nan")}, flat)
