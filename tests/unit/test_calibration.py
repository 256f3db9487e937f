"""Calibration errors: by hand, against scikit-learn, and on planted curves within their intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from pytest_mcr.core.calibration import BINS, ece, equal_mass, equal_width, floor, sweep
from pytest_mcr.core.calibration_rows import calibration_rows
from pytest_mcr.core.case import NEUTRAL
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.metrics import Table
from pytest_mcr.core.scored import Scored
from pytest_mcr.core.upward import of_gaps, widened
from tests.unit.answers_scored import answers, asked
from tests.unit.outcomes import number

Floats = NDArray[np.float64]
CONFIDENCES = st.one_of(st.floats(0, 1), st.sampled_from((0.0, 0.2, 0.5, 0.8, 14 / 15, 1.0)))
SOME = st.lists(st.tuples(CONFIDENCES, st.booleans()), min_size=1, max_size=60)


def rows_of(pairs: list[tuple[float, bool]]) -> Scored:
    return answers([sure for sure, _ in pairs], [hit for _, hit in pairs])


def test_by_hand() -> None:
    rows = answers([0.9] * 10 + [0.6] * 10, [1] * 7 + [0] * 3 + [1] * 8 + [0] * 2)
    assert ece(rows, equal_width(rows.confidence)).value == pytest.approx(0.5 * 0.2 + 0.5 * 0.2)
    found = Table(calibration_rows(asked(list(rows.confidence), list(rows.right > 0))))
    bins = found.where("reliability", NEUTRAL)
    assert [(row.extra["bin"], row.extra["confidence"], row.value, row.n) for row in bins] == [
        ("0.533-0.600", "0.600000", 0.8, 10),
        ("0.867-0.933", "0.900000", 0.7, 10),
    ]
    risks = found.where("risk", NEUTRAL)
    assert [(row.extra["coverage"], row.value) for row in risks] == [("0.500", 0.3), ("1.000", 0.25)]


@settings(deadline=None, max_examples=60)
@given(SOME)
def test_bins_are_those_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    rows = rows_of(pairs)
    for codes, strategy in ((equal_width(rows.confidence), "uniform"), (equal_mass(rows.confidence), "quantile")):
        right, sure = calibration_curve(rows.right, rows.confidence, n_bins=BINS, strategy=strategy)
        weight = np.bincount(codes)[np.bincount(codes) > 0] / len(rows)
        assert ece(rows, codes).value == pytest.approx(float(weight @ np.abs(right - sure)), abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(SOME)
def test_what_holds_for_any_answers(pairs: list[tuple[float, bool]]) -> None:
    rows = rows_of(pairs)
    everything = float(np.abs(rows.right - rows.confidence).mean())
    whole = abs(float((rows.right - rows.confidence).mean()))
    for codes in (equal_width(rows.confidence), equal_mass(rows.confidence), sweep(rows)):
        value = ece(rows, codes).value
        assert value is not None
        assert whole - 1e-12 <= value <= everything + 1e-12  # finer bins cancel less
    codes = sweep(rows)
    shares = [rows.right[codes == code].mean() for code in np.unique(codes)]
    assert (np.diff(shares) >= 0).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_floor_is_the_expected_error_of_a_calibrated_model(chances: list[float]) -> None:
    """By all 2^n outcomes for one bin, in which the order does not matter."""
    rows = answers(chances, [0] * len(chances))
    p = np.array(chances)
    outcomes = (np.arange(2 ** len(p))[:, None] >> np.arange(len(p))) & 1
    weight = np.where(outcomes, p, 1 - p).prod(1)
    expected = float(weight @ np.abs(outcomes.sum(1) - p.sum())) / len(p)
    assert floor(rows, np.zeros(len(p), dtype=np.int64)).value == pytest.approx(expected, abs=1e-9)


def test_few_answers_of_a_calibrated_model_show_the_floor() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 60)
    codes = equal_width(confidence)
    drawn = [ece(answers(confidence, rng.random(60) < confidence), codes).value or 0.0 for _ in range(200)]
    assert np.mean(drawn) == pytest.approx(floor(answers(confidence, confidence), codes).value, abs=0.006)
    assert np.mean(drawn) > 0.05  # the bias that the floor is there to show


CURVES: dict[str, Callable[[Floats], Floats]] = {
    "calibrated": lambda c: c,
    "overconfident": lambda c: c - 0.25,
    "blind": lambda c: np.full_like(c, 0.1),
    "crossing": lambda c: 0.75 + 0.3 * (c - 0.75),
}


def true_error(curve: Callable[[Floats], Floats]) -> float:
    """The error over bins of equal width for confidences uniform in [.5, 1]."""
    grid = np.linspace(0.5, 1, 200_001)[1:]
    return float(np.abs(np.bincount(equal_width(grid), weights=curve(grid) - grid)).sum()) / len(grid)


def measured(rows: Scored) -> Limits:
    """The interval of the error over bins of equal width, as it is reported."""
    codes, key = equal_width(rows.confidence), ("ece", NEUTRAL, ())
    limits = widened({key: ece(rows, codes)}, {key: (of_gaps(rows, codes), 0.0)})[key].limits
    assert limits is not None
    return limits


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("count", [60, 300])
@pytest.mark.parametrize("each", [1, 3])
def test_a_planted_curve_is_recovered_within_the_interval(name: str, count: int, each: int) -> None:
    """Clips with one answer, and with three that are all right or all wrong."""
    rng = np.random.default_rng(count)
    curve, inside = CURVES[name], 0
    for _ in range(40):
        confidence = np.repeat(rng.uniform(0.5, 1, count // each), each)
        hit = np.repeat(rng.random(count // each), each) < curve(confidence)
        clips = [int(clip) for clip in np.repeat(np.arange(count // each), each)]
        found = measured(answers(confidence, hit, clips))
        inside += found.low <= true_error(curve) <= found.high
    assert inside >= 37  # 0.93 of 40


def test_a_mean_over_tasks_keeps_its_bias_in_the_interval() -> None:
    """Chance adds to the error of every task alike, so averaging four of them does not take it away."""
    rng = np.random.default_rng(1)
    for _ in range(8):
        outcomes = []
        for task in ("A", "B", "C", "D"):
            confidence = rng.uniform(0.5, 1, 60)
            outcomes += asked(list(confidence), list(rng.random(60) < confidence), task=task)
        row = Table(calibration_rows(outcomes)).get("ece", NEUTRAL)
        assert row is not None
        assert (row.low or 0.0) < 0.02
        assert number(Table([row]), "ece", NEUTRAL) > 0.05
