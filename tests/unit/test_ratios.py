"""MRS with its caps, and the excess over the placebo floor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import ADVERSARIAL, IRRELEVANT, NEUTRAL, PLACEBO
from pytest_mcr.core.metrics import measure
from tests.unit.outcomes import OTHER, RIGHT, TEXT, number, planted, rates


def test_caps_of_mrs_and_another_alpha() -> None:
    outcomes = rates("VSC", {NEUTRAL: 5, ADVERSARIAL: 2, IRRELEVANT: 10}, 10)
    table = measure(outcomes, mrs_alpha=0.5)
    assert number(table, "mrs") == pytest.approx(0.5 * 0.4 + 0.5)
    assert number(table, "mrs_uncapped") == pytest.approx(0.5 * 0.4 + 0.5 * 2)
    both = measure(rates("VSC", {NEUTRAL: 5, ADVERSARIAL: 6, IRRELEVANT: 10}, 10)).get("mrs")
    assert both is not None
    assert (both.value, both.high) == (1.0, 1.0)
    assert both.low is not None
    assert both.low < 1
    nothing = measure(rates("VSC", {NEUTRAL: 0, ADVERSARIAL: 2, IRRELEVANT: 2}, 10)).get("mrs")
    assert nothing is not None
    assert nothing.value is None
    assert nothing.note == "no right neutral answers"


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9), st.sampled_from((0.0, 0.5, 0.8, 1.0)))
def test_mrs_is_affine_in_its_ratios(neutral: int, adversarial: int, irrelevant: int, alpha: float) -> None:
    hits = {NEUTRAL: neutral, ADVERSARIAL: adversarial, IRRELEVANT: irrelevant}
    table = measure(rates("VSC", hits, 9), mrs_alpha=alpha)
    adv, irr = (number(table, "normalized_accuracy", c) for c in (ADVERSARIAL, IRRELEVANT))
    assert number(table, "mrs_uncapped") == pytest.approx(alpha * adv + (1 - alpha) * irr)
    assert number(table, "mrs") == pytest.approx(alpha * min(1, adv) + (1 - alpha) * min(1, irr))
    capped, raw = table.get("mrs"), table.get("mrs_uncapped")
    assert capped is not None
    assert raw is not None
    assert capped.low is not None
    assert raw.low is not None
    assert capped.low <= raw.low + 1e-9


def test_excess_over_the_placebo_is_paired() -> None:
    outcomes = [planted(row, NEUTRAL, RIGHT) for row in range(20)]
    outcomes += [planted(row, ADVERSARIAL, TEXT if row < 12 else RIGHT) for row in range(20)]
    outcomes += [planted(row, PLACEBO, OTHER if row < 2 else RIGHT) for row in range(10)]
    row = measure(outcomes).get("tir_excess", ADVERSARIAL, "VSC")
    assert row is not None
    assert row.value == pytest.approx((10 - 2) / 10)
    assert (row.n, row.clusters) == (10, 10)


def test_the_true_mrs_is_covered() -> None:
    """Capped on one side, near the edge: adversarial .9 of what is heard, irrelevant as good as neutral."""
    rng = np.random.default_rng(11)
    truth, inside, above = 0.8 * 0.9 + 0.2, 0, 0
    for _ in range(60):
        heard = rng.random(80) < 0.9
        columns = {NEUTRAL: heard, ADVERSARIAL: heard & (rng.random(80) < 0.9), IRRELEVANT: rng.random(80) < 0.9}
        row = measure(
            [planted(r, c, RIGHT if hit else OTHER) for c, hits in columns.items() for r, hit in enumerate(hits)]
        ).get("mrs")
        assert row is not None
        assert row.low is not None
        assert row.high is not None
        assert row.lower95 is not None
        inside += row.low <= truth <= row.high
        above += row.lower95 <= truth
    assert inside >= 56
    assert above >= 56
