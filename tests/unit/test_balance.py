"""The balance point: against brute force and statsmodels, its refusals, its coverage."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from pytest_mcr.core.balance import balance_point, fit
from pytest_mcr.core.clusters import Clusters
from pytest_mcr.core.estimates import Estimate

Floats = NDArray[np.float64]


def found_for(x: Floats, y: NDArray[np.bool_], size: int = 1) -> Estimate:
    clusters = len(x) // size
    return balance_point(
        Clusters(np.repeat(np.arange(clusters), size), clusters), x, y, np.ones(len(x), dtype=np.bool_)
    )


def planted(seed: int, n: int = 200, balance: float = 0.4, slope: float = -3.0) -> tuple[Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.5, 1.5, n)
    return x, rng.random(n) < expit(slope * (x - balance))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.floats(-1, 1), st.floats(-4, -1))
def test_the_fit_is_the_maximum_and_agrees_with_statsmodels(seed: int, balance: float, slope: float) -> None:
    x, y = planted(seed, balance=balance, slope=slope)
    beta = fit(x, y)
    theirs = sm.Logit(y.astype(float), sm.add_constant(x)).fit(disp=0)
    assert beta == pytest.approx(theirs.params, abs=1e-5)
    result = found_for(x, y)
    if beta[1] < 0 and abs(beta[0] / beta[1]) <= 2:
        assert result.value == pytest.approx(-beta[0] / beta[1])
        assert result.value is not None
        assert result.limits is not None
        assert -2 <= result.limits.low <= result.value <= result.limits.high <= 2
        assert result.influence.sum() == pytest.approx(0, abs=1e-6)


def test_no_point_of_a_grid_is_likelier_than_the_fit() -> None:
    x, y = planted(3)

    def likelihood(a: Floats, b: Floats) -> Floats:
        eta = a[..., None] + b[..., None] * x
        value: Floats = (np.where(y, eta, 0.0) - np.logaddexp(0.0, eta)).sum(-1)
        return value

    a, b = fit(x, y)
    grid = likelihood(*np.meshgrid(np.linspace(a - 0.5, a + 0.5, 101), np.linspace(b - 0.5, b + 0.5, 101)))
    assert int(grid.argmax()) == 50 * 101 + 50
    assert grid.max() <= float(likelihood(np.array(a), np.array(b))) + 1e-9


def test_the_interval_is_fiellers_on_the_cluster_robust_covariance() -> None:
    x, y = planted(5, n=300)
    result, groups = found_for(x, y, size=3), np.repeat(np.arange(100), 3)
    theirs = sm.GLM(y.astype(float), sm.add_constant(x), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    covariance = theirs.cov_params() * 100 / 99
    assert result.limits is not None
    for end in (result.limits.low, result.limits.high):
        direction = np.array([1.0, end])
        statistic = (theirs.params @ direction) ** 2 / (direction @ covariance @ direction)
        assert statistic == pytest.approx(1.9842169515864165**2, rel=1e-4)  # Student's, 99 degrees


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(2, 3))
def test_writing_every_row_again_changes_nothing(seed: int, times: int) -> None:
    x, y = planted(seed, n=60)
    once = found_for(x, y)
    again = found_for(np.repeat(x, times), np.repeat(y, times), size=times)
    assert (again.value is None) == (once.value is None)
    if once.value is not None and once.limits is not None and again.limits is not None:
        assert again.value == pytest.approx(once.value, abs=1e-5)
        assert (again.limits.low, again.limits.high) == pytest.approx((once.limits.low, once.limits.high), abs=1e-4)


X = np.linspace(-1, 1, 40)
MIXED = np.arange(40) % 3 == 0


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (X[:19], MIXED[:19], "fewer than 20 clips"),
        (X, np.ones(40, dtype=np.bool_), "the text is followed on every clip"),
        (X, np.zeros(40, dtype=np.bool_), "the text is followed on no clip"),
        (np.full(40, 0.2), MIXED, "every clip has the same relative uncertainty"),
        (X, X < 0.1, "separates the followed clips from the others: no finite slope"),
        (X, X > 0.1, "separates the followed clips from the others: no finite slope"),
        (np.sign(X - 0.5), (X > 0.5) | MIXED, "separates the followed clips"),
        (X, (X > 0) ^ (np.arange(40) % 8 == 0), "P(follow) does not fall with the text's relative uncertainty"),
        (np.tile([-0.5, 0.5], 20), np.repeat([True, False], 20), "P(follow) does not fall"),
        (X, ~np.isin(np.arange(40), (9, 24, 35)), "P(follow) is above one half at every possible dH"),
        (X, np.isin(np.arange(40), (5, 14, 30)), "P(follow) is below one half at every possible dH"),
    ],
)
def test_what_the_data_cannot_tell_is_null_with_the_reason(x: Floats, y: NDArray[np.bool_], reason: str) -> None:
    found = found_for(x, y)
    assert (found.value, found.limits) == (None, None)
    assert found.note is not None
    assert reason in found.note
    assert found.n == len(x)


def test_a_balance_beyond_the_clips_is_said_to_be_extrapolated() -> None:
    x, y = planted(1, balance=1.6, slope=-2.5)
    found = found_for(x, y)
    assert found.value is not None
    assert found.value > x.max()
    assert found.note == "extrapolated: no clip lies beyond it"


def test_coverage() -> None:
    covered: list[float] = []
    for n, balance in ((60, 0.0), (60, 0.8), (200, 0.8)):
        runs = [found_for(*planted(seed, n, balance, -2.5)) for seed in range(150)]
        kept = [run.limits for run in runs if run.limits is not None]
        assert len(kept) >= 140
        covered.append(sum(limits.low <= balance <= limits.high for limits in kept) / len(kept))
    assert min(covered) >= 0.90, covered
    assert np.mean(covered) >= 0.93
