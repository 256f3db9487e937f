"""Slices: a planted one is found, its p is Fisher's and Holm's, and what must not count does not."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from pytest_mcr.core.case import Case, Outcome, Sample, Verdict
from pytest_mcr.core.paired_tests import holm
from pytest_mcr.core.slices import Slices, slices
from tests.unit.records import outcome, samples_of

Outcomes = dict[tuple[str, str], Outcome]


def answered(
    samples: list[Sample], lost: set[str], conditions: tuple[str, ...] = ("neutral", "adversarial")
) -> Outcomes:
    """Right everywhere, but for the adversarial answers of some samples."""
    found = {}
    for sample in samples:
        for condition in ("neutral", "adversarial"):
            case = Case(sample, condition)
            wrong = sample.id in lost and condition == "adversarial"
            said = sample.text_labels["adversarial"] if wrong else sample.gold
            found[sample.id, condition] = outcome(case, said, condition)
    return found


def cut(samples: list[Sample], outcomes: Outcomes, condition: str = "adversarial") -> Slices:
    return slices(outcomes, {sample.id: sample for sample in samples}, condition)


def sourced(sizes: dict[str, int]) -> list[Sample]:
    return [replace(s, source="radio" if int(s.id[-2:]) % 3 == 0 else "film") for s in samples_of(sizes)]


def stepped_down(plain: list[float]) -> list[float]:
    """Holm's corrected p by its definition: the largest of (m - j + 1) p_(j) over the p up to this one."""
    ranked = sorted(plain)
    steps = [min(1.0, (len(plain) - place) * p) for place, p in enumerate(ranked)]
    return [max(steps[: ranked.index(p) + 1]) for p in plain]


def test_a_planted_slice_is_the_worst_and_stands_out() -> None:
    samples = sourced({"AQA": 60, "SER": 60})
    lost = {s.id for s in samples if s.task == "SER" and s.source == "radio"}
    found = cut(samples, answered(samples, lost))
    worst = found.rows[0]
    assert (worst.task, worst.gold, worst.text_label, worst.source) == ("SER", None, None, "radio")
    assert (worst.lost, worst.n, worst.rest_lost, worst.rest_n) == (20, 20, 0, 40)
    assert worst.stands_out
    assert (found.condition, found.paired) == ("adversarial", True)


def test_p_is_fishers_and_corrected_by_holm() -> None:
    samples = sourced({"SER": 48, "VSC": 60})
    rng = np.random.default_rng(5)
    lost = {s.id for s in samples if rng.random() < (0.8 if s.gold == "sad" else 0.4)}
    rows = cut(samples, answered(samples, lost)).rows
    tables = [[[r.lost, r.n - r.lost], [r.rest_lost, r.rest_n - r.rest_lost]] for r in rows]
    plain = [float(fisher_exact(np.array(table), alternative="greater").pvalue) for table in tables]
    assert [row.p for row in rows] == pytest.approx(stepped_down(plain))
    assert rows[0].gold == "sad"


def test_a_whole_task_is_held_against_the_others() -> None:
    samples = samples_of({"AQA": 40, "SER": 40})
    lost = {s.id for s in samples if s.task == "AQA"}
    worst = cut(samples, answered(samples, lost)).rows[0]
    assert worst.is_task
    assert (worst.task, worst.lost, worst.n, worst.rest_lost, worst.rest_n) == ("AQA", 40, 40, 0, 40)


def test_answers_that_were_wrong_without_the_text_are_not_lost_by_it() -> None:
    samples = samples_of({"SER": 40})
    outcomes = answered(samples, {s.id for s in samples})
    deaf = [s for s in samples if s.gold == "sad"]
    for sample in deaf:
        key = (sample.id, "neutral")
        outcomes[key] = replace(outcomes[key], verdict=Verdict.OTHER)
    assert sum(row.n for row in cut(samples, outcomes).rows if row.gold == "sad" and row.text_label is None) == 0
    unpaired = {key: one for key, one in outcomes.items() if key[1] != "neutral"}
    found = cut(samples, unpaired)
    assert not found.paired
    assert sum(row.n for row in found.rows if row.gold == "sad" and row.text_label is None) == 10


def test_errors_and_few_clips_make_no_slice() -> None:
    samples = samples_of({"SER": 36})
    outcomes = answered(samples, {s.id for s in samples if s.gold == "sad"})
    assert {row.gold for row in cut(samples, outcomes).rows} == set()  # nine clips a gold, and no other task
    samples = samples_of({"SER": 40})
    outcomes = answered(samples, {s.id for s in samples if s.gold == "sad"})
    assert "sad" in {row.gold for row in cut(samples, outcomes).rows}
    key = next(key for key, one in outcomes.items() if one.gold == "sad" and key[1] == "adversarial")
    outcomes[key] = replace(outcomes[key], verdict=Verdict.ERROR, answer=None)
    assert "sad" not in {row.gold for row in cut(samples, outcomes).rows}


def test_answers_about_one_clip_are_no_more_evidence_than_one() -> None:
    samples = samples_of({"SER": 60})
    lost = {s.id for s in samples if s.gold == "sad"}
    alone = cut(samples, answered(samples, lost)).rows[0]
    twins = dict(answered(samples, lost))
    for sample in samples:
        for condition in ("neutral", "adversarial"):
            one = twins[sample.id, condition]
            twins[f"{sample.id}-b", condition] = replace(one, sample=f"{sample.id}-b")
    doubled = cut(samples, twins).rows[0]
    assert (doubled.n, doubled.p) == (2 * alone.n, alone.p)


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(0, 2**32 - 1))
def test_order_and_numbers(shuffler: random.Random, seed: int) -> None:
    samples = sourced({"AQA": 24, "SER": 40})
    rng = np.random.default_rng(seed)
    outcomes = answered(samples, {s.id for s in samples if rng.random() < 0.5})
    found = cut(samples, outcomes)
    keys = list(outcomes)
    shuffler.shuffle(keys)
    assert cut(samples, {key: outcomes[key] for key in keys}) == found
    for row in found.rows:
        assert 0 <= row.lost <= row.n
        assert 0 <= row.rest_lost <= row.rest_n
        assert 0 <= row.p <= 1
    assert [row.p for row in found.rows] == sorted(row.p for row in found.rows)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_steps_down(plain: list[float]) -> None:
    assert holm(plain) == pytest.approx(stepped_down(plain))


def test_no_outcomes_no_slices() -> None:
    assert slices({}, {}).rows == ()
