"""Bounds over unparsed answers, against every reading one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO, Outcome
from pytest_mcr.core.metrics import measure
from tests.unit.outcomes import ERROR, OTHER, RIGHT, UNPARSED, planted, rates

BOUNDED = (
    *(("accuracy", c) for c in CONDITIONS),
    *(("skill", c) for c in CONDITIONS),
    *(("balanced_accuracy", c) for c in CONDITIONS),
    *((m, c) for m in ("tir", "tir_all") for c in (FAITHFUL, ADVERSARIAL, IRRELEVANT, PLACEBO)),
    *((m, c) for m in ("harm", "normalized_accuracy") for c in (FAITHFUL, ADVERSARIAL, IRRELEVANT)),
    ("macro_accuracy", None),
    ("tir_excess", ADVERSARIAL),
    ("mrs", None),
    ("mrs_uncapped", None),
)


@st.composite
def small_runs(draw: st.DrawFn) -> list[Outcome]:
    """Two or three samples with all conditions, up to four answers unparsed."""
    found = [
        planted(row, condition, draw(st.sampled_from((RIGHT, OTHER, OTHER, RIGHT, UNPARSED, ERROR))), gold=gold)
        for row, gold in enumerate(("cough", "sigh", "cough")[: draw(st.integers(2, 3))])
        for condition in (*CONDITIONS, PLACEBO)
    ]
    assume(1 <= sum(o.verdict == UNPARSED for o in found) <= 4)
    return found


def readings(outcomes: list[Outcome]) -> Iterator[list[Outcome]]:
    """Every way of reading the unparsed answers as right or wrong."""
    silent = [i for i, o in enumerate(outcomes) if o.verdict == UNPARSED]
    for chosen in product((RIGHT, OTHER), repeat=len(silent)):
        read = list(outcomes)
        for i, verdict in zip(silent, chosen, strict=True):
            read[i] = replace(read[i], verdict=verdict, answer=read[i].gold if verdict == RIGHT else "laughter")
        yield read


@settings(deadline=None, max_examples=15)
@given(small_runs())
def test_bounds_are_the_extremes_over_every_reading(outcomes: list[Outcome]) -> None:
    table = measure(outcomes)
    tables = [measure(read) for read in readings(outcomes)]
    for metric, condition in BOUNDED:
        row = table.get(metric, condition, "VSC")
        values = [v for v in (t.value(metric, condition, "VSC") for t in tables) if v is not None]
        if row is None or not values:
            continue
        if row.bounds is None:
            assert max(values) == pytest.approx(min(values)), (metric, condition)
            continue
        assert row.bounds[0] == pytest.approx(min(values)), (metric, condition)
        if row.bounds[1] != float("inf"):  # else a reading without a right neutral answer, where no value exists
            assert row.bounds[1] == pytest.approx(max(values)), (metric, condition)
        if row.value is not None and metric != "tir":  # tir leaves unparsed neutral answers out, no reading does
            assert row.bounds[0] - 1e-9 <= row.value <= row.bounds[1] + 1e-9


def test_bounds_of_tir_and_mrs_are_rows_and_means_over_tasks() -> None:
    outcomes = rates("AQA", {NEUTRAL: 8, ADVERSARIAL: 4, IRRELEVANT: 8}, 10)
    index = next(i for i, o in enumerate(outcomes) if o.condition == ADVERSARIAL and o.sample == "AQA-0005")
    outcomes[index] = replace(outcomes[index], verdict=UNPARSED, answer=None)
    table = measure(outcomes + rates("SER", {NEUTRAL: 8, ADVERSARIAL: 4, IRRELEVANT: 8}, 10))

    def bound(metric: str, condition: str | None, task: str, name: str) -> float | None:
        return table.where(metric, condition, task, bound=name)[0].value

    assert bound("tir", ADVERSARIAL, "AQA", "worst") == pytest.approx(4 / 8)
    assert bound("tir", ADVERSARIAL, "AQA", "best") == pytest.approx(3 / 8)
    assert bound("tir", ADVERSARIAL, "*", "best") == pytest.approx((3 / 8 + 4 / 8) / 2)
    assert bound("mrs", None, "AQA", "worst") == pytest.approx(0.8 * 4 / 8 + 0.2)
    assert bound("mrs", None, "AQA", "best") == pytest.approx(0.8 * 5 / 8 + 0.2)
    assert table.where("tir", ADVERSARIAL, "SER", bound="worst") == ()
