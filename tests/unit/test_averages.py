"""Means and weighted shares by clip: against statsmodels and the rate they generalise, and by simulation."""

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

from pytest_mcr.core.averages import ONE_CLIP, mean_value, weighted_share
from pytest_mcr.core.clusters import Clusters
from pytest_mcr.core.estimates import Estimate, rate
from pytest_mcr.core.intervals import Limits

Floats = NDArray[np.float64]


def ends(estimate: Estimate) -> tuple[float, float, float, float]:
    assert estimate.limits is not None
    limits = estimate.limits
    return limits.low, limits.lower95, limits.upper95, limits.high


def everyone(clips: Clusters) -> NDArray[np.bool_]:
    return np.ones(len(clips.cluster), dtype=np.bool_)


def grouped(clusters: int, size: int) -> Clusters:
    return Clusters(np.repeat(np.arange(clusters), size), clusters)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Clusters, Floats]:
    """Values of rows in two clusters or more, one of which may be empty."""
    count = draw(st.integers(2, 10))
    codes = np.array([0, 1, *draw(st.lists(st.integers(0, count - 1), max_size=20))], dtype=np.int64)
    values = draw(hnp.arrays(np.float64, len(codes), elements=st.floats(-30, 30).map(lambda x: round(x, 3))))
    return Clusters(codes, count), values


@settings(deadline=None)
@given(rows())
def test_a_mean_is_that_of_a_cluster_robust_regression(data: tuple[Clusters, Floats]) -> None:
    clips, values = data
    found = mean_value(clips, values, everyone(clips), empty="none")
    assert found.value == pytest.approx(values.mean(), abs=1e-9)
    assert found.influence.sum() == pytest.approx(0, abs=1e-9)
    groups = len(np.unique(clips.cluster))
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": clips.cluster})
    half = stats.t.ppf(0.975, groups - 1) * float(fit.bse[0])
    low, lower95, upper95, high = ends(found)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-6)
    assert low <= lower95 <= upper95 <= high


def test_one_row_a_clip_is_the_plain_t_interval() -> None:
    values = np.random.default_rng(1).normal(2, 3, 40)
    low, _, _, high = ends(mean_value(grouped(40, 1), values, np.ones(40, dtype=np.bool_), empty="none"))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 39, values.mean(), stats.sem(values)))


def test_a_mean_needs_rows_and_two_clips() -> None:
    clips = grouped(2, 2)
    none = mean_value(clips, np.ones(4), np.zeros(4, dtype=np.bool_), empty="nothing there")
    assert (none.value, none.limits, none.n, none.note) == (None, None, 0, "nothing there")
    one = mean_value(clips, np.ones(4), np.array([True, True, False, False]), empty="nothing there")
    assert (one.value, one.limits, one.n, one.note) == (None, None, 2, ONE_CLIP)


def test_what_is_not_counted_does_not_count() -> None:
    values = np.array([1.0, 3.0, np.nan, 5.0])
    found = mean_value(grouped(4, 1), values, ~np.isnan(values), empty="none")
    assert (found.value, found.n, found.clusters) == (3.0, 3, 3)


def test_agreement_shows_no_variance_in_spite_of_rounding() -> None:
    found = mean_value(grouped(7, 3), np.full(21, 0.1), np.ones(21, dtype=np.bool_), empty="none")
    assert not found.influence.any()
    assert ends(found) == (found.value,) * 4


@settings(deadline=None)
@given(rows(), st.integers(2, 4))
def test_writing_every_row_again_changes_nothing(data: tuple[Clusters, Floats], times: int) -> None:
    clips, values = data
    again = Clusters(np.tile(clips.cluster, times), clips.clusters)
    once, more = (
        mean_value(c, v, everyone(c), empty="none") for c, v in ((clips, values), (again, np.tile(values, times)))
    )
    assert more.value == pytest.approx(once.value, abs=1e-9)
    assert ends(more) == pytest.approx(ends(once), abs=1e-9)
    whole, part = np.abs(values) + 1, np.abs(values)
    first = weighted_share(clips, part, whole, everyone(clips), empty="none")
    second = weighted_share(again, np.tile(part, times), np.tile(whole, times), everyone(again), empty="none")
    assert second.value == pytest.approx(first.value, abs=1e-9)
    assert ends(second) == pytest.approx(ends(first), abs=1e-9)


@given(st.lists(st.booleans(), min_size=4, max_size=60))
def test_all_or_nothing_clips_of_one_weight_make_a_plain_rate(hits: list[bool]) -> None:
    clips, mask = grouped(len(hits), 1), np.array(hits)
    share = weighted_share(clips, mask * 2.5, np.full(len(hits), 2.5), everyone(clips), empty="none")
    plain = rate(clips, mask, everyone(clips), empty="none")
    assert share.value == pytest.approx(plain.value)
    assert ends(share) == pytest.approx(ends(plain), abs=1e-9)


@given(rows())
def test_a_share_lies_in_its_limits_and_mirrors(data: tuple[Clusters, Floats]) -> None:
    clips, values = data
    part, whole = np.abs(values), np.abs(values) + np.abs(np.roll(values, 1)) + 0.5
    found = weighted_share(clips, part, whole, everyone(clips), empty="none")
    rest = weighted_share(clips, whole - part, whole, everyone(clips), empty="none")
    assert found.value is not None
    low, lower95, upper95, high = ends(found)
    assert 0 <= low <= lower95 <= found.value + 1e-12
    assert found.value - 1e-12 <= upper95 <= high <= 1
    assert ends(rest) == pytest.approx([1 - end for end in reversed(ends(found))], abs=1e-9)


def test_a_share_of_nothing_and_of_one_clip() -> None:
    clips = grouped(3, 1)
    idle = weighted_share(clips, np.zeros(3), np.zeros(3), everyone(clips), empty="nothing moves")
    assert (idle.value, idle.n, idle.note) == (None, 3, "nothing moves")
    one = weighted_share(clips, np.array([1.0, 0, 0]), np.array([2.0, 0, 0]), everyone(clips), empty="none")
    assert (one.value, one.limits, one.n) == (0.5, Limits(0.0, 1.0, 0.0, 1.0), 1)


def test_coverage_of_means() -> None:
    """Margins of a model that hears and sometimes does not: normal, and with a second mode; 1 or 4 rows a clip."""
    rng = np.random.default_rng(20261124)
    covered: list[float] = []
    for clusters, size, modes in product((20, 60), (1, 4), (False, True)):
        hit, runs = 0, 300
        for _ in range(runs):
            effect = rng.normal(0, 2, clusters) + (np.where(rng.random(clusters) < 0.2, -5.0, 1.25) if modes else 0.0)
            values = np.repeat(effect, size) + rng.normal(0, 1, clusters * size)
            clips = grouped(clusters, size)
            low, _, _, high = ends(mean_value(clips, values, everyone(clips), empty="none"))
            hit += low <= 0 <= high
        covered.append(hit / runs)
    assert min(covered) >= 0.90
    assert np.mean(covered) >= 0.93


def test_coverage_of_weighted_shares() -> None:
    """Near 0 (few clips follow, also with three times the weight), in the middle, near 1; long-tailed weights."""
    rng = np.random.default_rng(20261125)
    covered: list[float] = []
    kinds = {"rare": (0.05, 0.05 * 2 / 3), "heavy": (0.05, 0.1 / 1.1), "middle": (1.0, 2 / 3), "common": (0.95, 0.95)}
    cells = list(product(kinds, (20, 60, 200), (0.3, 0.8)))
    for kind, clusters, tail in cells:
        hit, runs = 0, 500
        for _ in range(runs):
            chance, truth = kinds[kind]
            follows = rng.random(clusters) < chance
            own = np.where(follows, rng.beta(4, 2, clusters) if kind != "common" else 1.0, 0.0)
            whole = rng.lognormal(0, tail, clusters) * np.where(follows & (kind == "heavy"), 3.0, 1.0)
            clips = grouped(clusters, 1)
            low, _, _, high = ends(weighted_share(clips, own * whole, whole, everyone(clips), empty="none"))
            hit += low <= truth <= high
        covered.append(hit / runs)
    assert min(covered) >= 0.90, sorted(zip(covered, cells, strict=True))[:4]
    assert np.mean(covered) >= 0.93
