"""Betting intervals: a fair game under the true ratio, coverage near the edge, deterministic."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_mcr.core.betting import DIFFERENCE, MEAN, RATIO, lay_out, log_capital, ratio_limits
from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED

Floats = NDArray[np.float64]
Corners = tuple[tuple[float, float], ...]


def capital(num: Floats, den: Floats, theta: float, side: float, level: float, corners: Corners = RATIO) -> Floats:
    values = np.array([a - theta * b for a, b in corners])
    worst = values.min() if side > 0 else -values.max()
    theta_, worst_, width, side_ = (np.full((1, 1), x) for x in (theta, worst, np.ptp(values), side))
    return log_capital(lay_out(num, den), theta_, worst_, width, side_, level)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("theta", [0.3, 0.8, 1.0])
def test_nobody_gains_under_the_true_ratio(theta: float, side: float) -> None:
    """Enumerate every sequence of six clips under a law with ratio theta: the expected capital is exactly 1."""
    law = {
        (1.0, 1.0): 0.4 * theta,
        (0.0, 1.0): 0.5 - 0.4 * theta,
        (1.0, 0.0): 0.1 * theta,
        (0.0, 0.0): 0.5 - 0.1 * theta,
    }
    assert sum(p * (a - theta * b) for (a, b), p in law.items()) == pytest.approx(0.0)
    rows = list(product(law, repeat=6))
    clips = np.array(rows)
    chance = np.array([np.prod([law[clip] for clip in row]) for row in rows])
    gains = np.exp(capital(clips[..., 0], clips[..., 1], theta, side, TWO_SIDED))
    assert float(gains @ chance) == pytest.approx(1.0)


def test_coverage_of_ratios() -> None:
    """The ratio's own grid: near 0, near 1 and between, few and many clips, alone or six a clip and correlated."""
    rng = np.random.default_rng(3)
    covered: list[float] = []
    cells = list(
        product(((0.8, 0.02), (0.8, 0.3), (0.8, 0.95), (0.98, 0.99), (1.0, 1.0)), (20, 60, 200), (1, 6), (0.0, 0.3))
    )
    for (heard, kept), clusters, size, icc in cells:
        strength = 1 / icc - 1 if icc else 1e9
        chances = rng.beta(max(kept * strength, 1e-9), max((1 - kept) * strength, 1e-9), (400, clusters, 1))
        den = rng.random((400, clusters, size)) < heard
        num = den & (rng.random((400, clusters, size)) < chances)
        a, b = num.mean(-1), den.mean(-1)
        inside = [capital(a, b, kept, side, TWO_SIDED) < -np.log1p(-TWO_SIDED) for side in (1.0, -1.0)]
        covered.append(float(np.logical_and(*inside).mean()))
    assert min(covered) >= 0.90, sorted(zip(covered, cells, strict=True))[:3]
    assert np.mean(covered) >= 0.93


@st.composite
def clips(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    size = draw(st.integers(2, 15))
    units = np.array([draw(st.integers(1, 4)) for _ in range(size)], dtype=np.float64)
    den = np.array([draw(st.integers(0, int(u))) for u in units], dtype=np.float64)
    den[0] = max(den[0], 1.0)
    num = np.array([draw(st.integers(0, int(u))) for u in units], dtype=np.float64)
    return num, den, units


@settings(deadline=None, max_examples=40)
@given(clips())
def test_limits_hold_the_ratio_invert_the_test_and_forget_copies(drawn: tuple[Floats, Floats, Floats]) -> None:
    num, den, units = drawn
    span = (0.0, float(units.sum()))
    limits, value = ratio_limits(num, den, units, corners=RATIO, span=span), num.sum() / den.sum()
    assert span[0] <= limits.low <= limits.lower95 <= value <= limits.upper95 <= limits.high <= span[1]
    scaled = num / units.max(), den / units.max()
    if limits.low > 0:
        assert float(capital(*scaled, limits.low, 1.0, TWO_SIDED)) >= -np.log1p(-TWO_SIDED)
    if limits.upper95 < span[1]:
        assert float(capital(*scaled, limits.upper95, -1.0, ONE_SIDED)) >= -np.log1p(-ONE_SIDED)
    again = ratio_limits(3 * num, 3 * den, 3 * units, corners=RATIO, span=span)
    for end in ("low", "high", "lower95", "upper95"):
        assert getattr(again, end) == pytest.approx(getattr(limits, end), abs=2e-4, rel=1e-4)


def test_a_perfect_ratio_is_bounded_by_the_number_of_clips() -> None:
    ones = np.ones(40)
    limits = ratio_limits(ones, ones, ones, corners=RATIO, span=(0.0, 40.0))
    # No test of 40 agreeing clips can exclude what 40 coin flips of rate theta give in one of twenty runs.
    assert 0.75 < limits.lower95 < 0.05 ** (1 / 40)
    assert 1.0 < limits.high < 1.25


def test_a_mean_and_its_mirror() -> None:
    x = np.random.default_rng(1).beta(8, 2, 80)
    ones = np.ones(80)
    limits, mirror = (ratio_limits(v, ones, ones, corners=MEAN, span=(0.0, 1.0)) for v in (x, 1 - x))
    assert (limits.low, limits.high) == pytest.approx((1 - mirror.high, 1 - mirror.low), abs=5e-5)
    assert limits.low < x.mean() < limits.high


def test_differences_may_be_negative() -> None:
    change = np.r_[np.full(30, -1.0), np.zeros(30)]
    limits = ratio_limits(change, np.ones(60), np.ones(60), corners=DIFFERENCE, span=(-1.0, 1.0))
    assert -1 < limits.low < -0.5 < limits.high < 0


def test_one_clip_says_nothing() -> None:
    one = np.ones(1)
    limits = ratio_limits(one, one, one, corners=RATIO, span=(0.0, 1.0))
    assert (limits.low, limits.high, limits.lower95, limits.upper95) == (0.0, 1.0, 0.0, 1.0)
