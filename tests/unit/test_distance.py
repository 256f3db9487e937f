"""How far a gate is from passing, against changing the clips one by one and measuring again."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mcr.core.case import ADVERSARIAL, IRRELEVANT, NEUTRAL
from pytest_mcr.core.distance import clips_to_pass, needed_size
from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.metrics import Table, measure
from tests.unit.outcomes import rates


def changed(hits: int, count: int) -> Table:
    return measure(rates("AQA", {NEUTRAL: count, ADVERSARIAL: hits}, count))


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 40),
    st.floats(0.05, 0.95),
    st.booleans(),
    st.sampled_from(("accuracy[adversarial] >=", "tir[adversarial] <=")),
)
def test_the_distance_is_the_least_number_of_clips(hits: int, threshold: float, at95: bool, start: str) -> None:
    """Against changing one clip after the other and measuring again (with every clip right in neutral)."""
    gate = parse_gate(f"{start} {threshold:.3f}{'@95' if at95 else ''}")

    def holds(count: int) -> bool:
        row = changed(count, 40).get(gate.metric, ADVERSARIAL)
        assert row is not None
        assert row.value is not None
        assert row.lower95 is not None
        assert row.upper95 is not None
        return gate.holds(row.value) and (not at95 or gate.holds(row.lower95 if gate.upward else row.upper95))

    if holds(hits):
        return
    table = changed(hits, 40)
    row = table.get(gate.metric, ADVERSARIAL)
    assert row is not None
    never = 41 - hits
    expected = next((k for k in range(1, never) if holds(hits + k)), never)
    found = clips_to_pass(gate, row, table) or never
    # A bound may be one clip off: the effective size at 0 and 1 is that of one clip more than between them.
    assert abs(found - expected) <= (1 if at95 else 0)


def test_the_distance_over_tasks_takes_the_clips_that_count_most() -> None:
    table = measure(rates("AQA", {ADVERSARIAL: 0}, 10) + rates("SER", {ADVERSARIAL: 0}, 100))
    row = table.get("accuracy", ADVERSARIAL)
    assert row is not None
    assert clips_to_pass(parse_gate("accuracy[adversarial] >= 0.30"), row, table) == 6
    assert clips_to_pass(parse_gate("accuracy[adversarial] >= 0.60"), row, table) == 10 + 20
    assert clips_to_pass(parse_gate("accuracy[adversarial] >= 1.1"), row, table) is None


def test_a_weight_of_zero_or_one_is_no_division_by_zero() -> None:
    outcomes = rates("AQA", {NEUTRAL: 8, ADVERSARIAL: 4, IRRELEVANT: 4}, 10)
    found = []
    for alpha in (0.0, 0.5, 1.0):
        table = measure(outcomes, mrs_alpha=alpha)
        row = table.get("mrs")
        assert row is not None
        found.append(clips_to_pass(parse_gate("mrs >= 0.75"), row, table))
    assert found == [2, 4, 2]


def test_the_needed_size_would_decide() -> None:
    row = changed(60, 100).get("accuracy", ADVERSARIAL)
    gate = parse_gate("accuracy[adversarial] >= 0.55@95")
    assert row is not None
    size = needed_size(gate, row)
    assert size is not None
    assert size > 100
    z = stats.norm.ppf(0.95)

    def bound(n: int) -> float:
        return float((0.6 + z * z / 2 / n - z * np.sqrt(0.24 / n + z * z / 4 / n / n)) / (1 + z * z / n))

    assert bound(size) >= 0.55 > bound(round(size * 0.95))
    assert needed_size(parse_gate("accuracy[adversarial] >= 0.6@95"), row) is None
