"""Confidence of right and wrong answers; AUROC against scipy."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mcr.core.case import NEUTRAL, Verdict
from pytest_mcr.core.metrics import Table, measure
from tests.unit.outcomes import OTHER, RIGHT, number, planted


def confident(spec: Sequence[tuple[Verdict, float]]) -> Table:
    return measure([planted(row, NEUTRAL, verdict, confidence=c) for row, (verdict, c) in enumerate(spec)])


def test_confidence_of_right_and_wrong() -> None:
    spec = [(RIGHT, 0.9)] * 10 + [(OTHER, 0.9)] * 15 + [(OTHER, 0.5)] * 5
    table = confident(spec)
    assert number(table, "mean_confidence", NEUTRAL) == pytest.approx((25 * 0.9 + 5 * 0.5) / 30)
    assert table.where("mean_confidence", NEUTRAL, answers="wrong")[0].value == pytest.approx(0.8)
    assert number(table, "overconfidence", NEUTRAL) == pytest.approx(15 / 20)
    assert number(table, "agreement", NEUTRAL) == 1.0
    few = confident(spec[:-1]).get("overconfidence", NEUTRAL)
    assert few is not None
    assert (few.value, few.n, few.note) == (None, 19, "fewer than 20 wrong answers (15 of 19 above 0.85)")
    sure = confident(spec[:10]).get("overconfidence", NEUTRAL)
    assert sure is not None
    assert (sure.value, sure.note, sure.vacuous) == (None, "no wrong answers", True)
    silent = measure([planted(row, NEUTRAL, OTHER) for row in range(30)]).get("overconfidence", NEUTRAL)
    assert silent is not None
    assert silent.note == "the model gives no scores"


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from((RIGHT, OTHER)), st.sampled_from((0.2, 0.5, 0.7, 0.9))), min_size=2, max_size=30)
)
def test_auroc_is_mann_whitney(spec: list[tuple[Verdict, float]]) -> None:
    rights, wrongs = ([c for v, c in spec if v == side] for side in (RIGHT, OTHER))
    assume(rights and wrongs)
    expected = stats.mannwhitneyu(rights, wrongs).statistic / (len(rights) * len(wrongs))
    assert number(confident(spec), "auroc", NEUTRAL) == pytest.approx(expected)
