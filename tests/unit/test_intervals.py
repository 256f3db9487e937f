"""Rates by clip: Wilson, effective size, means over tasks; against scipy, statsmodels and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pytest_mcr.core.estimates import Estimate, mean
from pytest_mcr.core.intervals import (
    ONE_SIDED,
    TWO_SIDED,
    Limits,
    correlation,
    effective_size,
    mean_limits,
    pooled_limits,
    rate_ends,
    rate_limits,
    wilson,
)

Counts = NDArray[np.int64]
GRID = tuple(product((0.02, 0.05, 0.3, 0.95, 0.99), (20, 60, 200), (1, 6), (0.0, 0.3)))


@st.composite
def clustered(draw: st.DrawFn, least: int = 1) -> tuple[Counts, Counts]:
    """Hits and trials by cluster, at least one trial."""
    trials = draw(hnp.arrays(np.int64, st.integers(least, 12), elements=st.integers(0, 6)))
    trials[0] += not trials.any()
    hits = np.array([draw(st.integers(0, int(b))) for b in trials], dtype=np.int64)
    return hits, trials


@pytest.mark.parametrize("n", [1, 7, 20, 71, 1000])
def test_wilson_is_the_textbook_interval(n: int) -> None:
    for k in {0, 1, n // 3, n - 1, n}:
        low, high = wilson(k / n, n, stats.norm.ppf(0.975))
        ours = (float(low), float(high))
        theirs = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        assert ours == pytest.approx(proportion_confint(k, n, 0.05, method="wilson"), abs=1e-12)


@settings(deadline=None)
@given(clustered(least=2))
def test_the_variance_is_that_of_a_cluster_robust_regression(counts: tuple[Counts, Counts]) -> None:
    hits, trials = counts
    rate, size, clusters = effective_size(hits, trials)
    assert float(rate) == pytest.approx(hits.sum() / trials.sum())
    assert clusters == (trials > 0).sum()
    if 0 < rate < 1 and clusters >= 2:
        rows = np.concatenate([np.r_[np.ones(a), np.zeros(b - a)] for a, b in zip(hits, trials, strict=True)])
        groups = np.repeat(np.arange(len(trials)), trials)
        fit = sm.OLS(rows, np.ones(len(rows))).fit(cov_type="cluster", cov_kwds={"groups": groups})
        variance = float(fit.bse[0]) ** 2
        if variance > 1e-9 and rate * (1 - rate) / variance < trials.sum() / 6:  # the cap is out of reach
            assert float(size) == pytest.approx(rate * (1 - rate) / variance)


def test_at_the_edges_the_size_is_the_number_of_clusters() -> None:
    trials = np.array([6, 6, 0, 3])
    assert [float(x) for x in effective_size(trials, trials)] == [1.0, 3.0, 3.0]
    assert [float(x) for x in effective_size(0 * trials, trials)] == [0.0, 3.0, 3.0]


def test_one_case_a_clip_is_nearly_the_plain_interval() -> None:
    hits = np.r_[np.ones(30), np.zeros(70)]
    rate, size, _ = effective_size(hits, np.ones(100))
    assert float(rate) == 0.3
    assert float(size) == pytest.approx(99.0)
    low, high = rate_ends(hits, np.ones(100), TWO_SIDED)
    plain = stats.binomtest(30, 100).proportion_ci(0.95, method="wilson")
    assert (float(low), float(high)) == pytest.approx((plain.low, plain.high), abs=2e-3)


@settings(deadline=None)
@given(clustered())
def test_limits_hold_the_rate_and_nest(counts: tuple[Counts, Counts]) -> None:
    limits, rate = rate_limits(*counts), counts[0].sum() / counts[1].sum()
    assert 0 <= limits.low <= limits.lower95 <= rate + 1e-12
    assert rate - 1e-12 <= limits.upper95 <= limits.high <= 1


@settings(deadline=None)
@given(clustered(), st.integers(2, 5))
def test_writing_every_row_again_changes_nothing(counts: tuple[Counts, Counts], times: int) -> None:
    once, again = rate_limits(*counts), rate_limits(counts[0] * times, counts[1] * times)
    for end in ("low", "high", "lower95", "upper95"):
        assert getattr(again, end) == pytest.approx(getattr(once, end), abs=1e-12)


@settings(deadline=None)
@given(clustered())
def test_wrong_is_the_mirror_of_right(counts: tuple[Counts, Counts]) -> None:
    hits, trials = counts
    ours, mirror = rate_limits(hits, trials), rate_limits(trials - hits, trials)
    assert (ours.low, ours.upper95) == pytest.approx((1 - mirror.high, 1 - mirror.lower95), abs=1e-12)


def test_one_clip_says_nothing() -> None:
    assert rate_limits(np.array([5]), np.array([6])) == Limits(0.0, 1.0, 0.0, 1.0)


def simulate(rate: float, clusters: int, size: int, icc: float, runs: int) -> tuple[Counts, Counts]:
    """Beta-binomial hits, shape (runs, clusters): intraclass correlation ``icc`` within a clip."""
    rng = np.random.default_rng(20261123)
    strength = 1 / icc - 1 if icc else np.inf
    chances = (
        rng.beta(rate * strength, (1 - rate) * strength, (runs, clusters)) if icc else np.full((runs, clusters), rate)
    )
    return rng.binomial(size, chances), np.full((runs, clusters), size)


def test_coverage_of_rates() -> None:
    covered: list[float] = []
    for rate, clusters, size, icc in GRID:
        hits, trials = simulate(rate, clusters, size, icc, runs=1500)
        low, high = rate_ends(hits, trials, TWO_SIDED)
        covered.append(float(((low <= rate) & (rate <= high)).mean()))
        # One-sided, on the side that a gate on such a rate asks about: high rates from below, low ones from above.
        low, high = rate_ends(hits, trials, ONE_SIDED)
        one_sided = float((low <= rate).mean() if rate > 0.5 else (high >= rate).mean())
        assert one_sided >= 0.89, (rate, clusters, size, icc)
    assert min(covered) >= 0.90, sorted(zip(covered, GRID, strict=True))[:3]
    assert np.mean(covered) >= 0.93


def as_estimate(hits: Counts, trials: Counts) -> Estimate:
    """A rate over clusters of which only those with trials take part."""
    total, eligible = int(trials.sum()), trials > 0
    rate = float(hits.sum() / total)
    limits = rate_limits(hits[eligible], trials[eligible])
    return Estimate(
        rate, limits, total, int(eligible.sum()), (hits - rate * trials) / total, trials / total, is_rate=True
    )


@settings(deadline=None)
@given(clustered(least=3), st.integers(2, 4))
def test_the_same_clips_in_several_tasks_count_once(counts: tuple[Counts, Counts], tasks: int) -> None:
    one = as_estimate(*counts)
    several = mean([one] * tasks)
    assert one.limits is not None
    assert several.limits is not None
    assert several.limits.low <= one.limits.low + 1e-9
    assert several.limits.high >= one.limits.high - 1e-9
    assert several.clusters == one.clusters


def test_the_same_clips_in_several_tasks_give_the_same_interval() -> None:
    rng = np.random.default_rng(4)
    one = as_estimate(rng.binomial(2, 0.7, 50), np.full(50, 2))
    again = mean([one, one, one]).limits
    assert one.limits is not None
    assert again is not None
    assert (again.low, again.high) == pytest.approx((one.limits.low, one.limits.high), abs=1e-9)


def test_other_clips_narrow_the_mean() -> None:
    empty = np.zeros(50, dtype=np.int64)
    hits = np.random.default_rng(0).binomial(1, 0.7, 50)
    ones = np.ones(50, dtype=np.int64)
    parts = [as_estimate(np.r_[hits, empty], np.r_[ones, empty]), as_estimate(np.r_[empty, hits], np.r_[empty, ones])]
    both, single = mean(parts).limits, parts[0].limits
    assert both is not None
    assert single is not None
    assert (both.high - both.low) == pytest.approx((single.high - single.low) / np.sqrt(2), rel=0.05)


def test_coverage_of_means_over_tasks() -> None:
    """Three tasks, own clips or the same ones; near the edges, where one task alone often shows no variance."""
    rng = np.random.default_rng(7)
    covered: list[float] = []
    cells = list(product(((0.99,) * 3, (0.02,) * 3, (0.99, 0.5, 0.9)), (20, 60), (False, True)))
    for chances, clusters, shared in cells:
        hit = 0
        for _ in range(200):
            common = rng.random(clusters)
            parts = []
            for place, chance in enumerate(chances):
                luck = (
                    np.where(rng.random(clusters) < 0.5, common, rng.random(clusters))
                    if shared
                    else rng.random(clusters)
                )
                hits, trials = np.zeros((2, clusters * (1 if shared else 3)), dtype=np.int64)
                where = np.arange(clusters) + (0 if shared else place * clusters)
                hits[where], trials[where] = luck < chance, 1
                parts.append(as_estimate(hits, trials))
            limits = mean(parts).limits
            assert limits is not None
            hit += bool(limits.low <= np.mean(chances) <= limits.high)
        covered.append(hit / 200)
    assert min(covered) >= 0.90, sorted(zip(covered, cells, strict=True))[:3]
    assert np.mean(covered) >= 0.93


def test_correlation_is_never_negative_and_full_for_silent_twins() -> None:
    up, down = np.array([0.1, -0.1, 0.0, 0.0]), np.array([-0.1, 0.1, 0.0, 0.0])
    share, apart = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.5, 0.5])
    assert correlation(np.stack([up, down]), np.stack([share, share])).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    silent = correlation(np.stack([up, 0 * up]), np.stack([share, share]))
    assert silent == pytest.approx(np.ones((2, 2)))
    assert correlation(np.stack([up, 0 * up]), np.stack([share, apart])) == pytest.approx(np.eye(2))


def test_independent_errors_add_up_in_squares() -> None:
    limits = [Limits(0.4, 0.7, 0.42, 0.68), Limits(0.1, 0.3, 0.12, 0.28)]
    found = mean_limits(np.array([0.5, 0.2]), limits, np.eye(2))
    assert found.low == pytest.approx(0.35 - np.hypot(0.1, 0.1) / 2)
    assert found.high == pytest.approx(0.35 + np.hypot(0.2, 0.1) / 2)


def test_pooled_limits_without_variance_are_the_point() -> None:
    assert pooled_limits(0.5, np.zeros(9), 9, 9) == Limits(0.5, 0.5, 0.5, 0.5)
