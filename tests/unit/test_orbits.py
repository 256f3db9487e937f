"""Rates over text variants: against plain counts and statsmodels, planted oracles, pooling, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.intervals import rate_limits
from pytest_mcr.core.orbits import (
    BASE,
    Measure,
    Trial,
    event_rate,
    orbit_consistency,
    orbit_worst,
    over_tasks,
    paired_difference,
    slope,
)

PLAIN = partial(paired_difference, plus="warned", minus="plain")
MEASURES: tuple[Measure, ...] = (event_rate, orbit_consistency, orbit_worst, PLAIN, slope)


def trial(
    row: int, variant: str, event: bool, level: float | None = None, *, task: str = "SER", clip: str = ""
) -> Trial:
    return Trial(task, f"{task}-{row:04d}", clip or f"clip-{row}", variant, event, level)


@st.composite
def designs(draw: st.DrawFn) -> list[Trial]:
    """Samples of up to two tasks with a base and some variants, some of which share clips."""
    found: list[Trial] = []
    for task in ("AQA", "SER")[: draw(st.integers(1, 2))]:
        for row in range(draw(st.integers(1, 7))):
            clip = f"clip-{draw(st.integers(0, 5))}"
            variants = draw(st.lists(st.sampled_from(("warned", "plain", "longer")), max_size=5))
            if draw(st.booleans()):
                variants.append(BASE)
            found += [
                trial(
                    row, name, draw(st.booleans()), draw(st.sampled_from((None, 0.0, 1.0, 2.0))), task=task, clip=clip
                )
                for name in variants
            ]
    return found


def by_sample(trials: Sequence[Trial]) -> list[dict[str, list[bool]]]:
    found: dict[str, dict[str, list[bool]]] = {}
    for t in trials:
        found.setdefault(t.sample, {}).setdefault(t.variant, []).append(t.event)
    return list(found.values())


def reference(trials: Sequence[Trial]) -> list[float | None]:
    """Event rate, consistency, worst case and paired difference of one task, by plain loops."""

    def average(values: Sequence[float]) -> float | None:
        return sum(values) / len(values) if values else None

    same = [
        [event == sides[BASE][0] for name, events in sides.items() if name != BASE for event in events]
        for sides in by_sample(trials)
        if BASE in sides and len(sides) > 1
    ]
    pairs = [s for s in by_sample(trials) if "warned" in s and "plain" in s]
    return [
        average([t.event for t in trials]),
        average([sum(x) / len(x) for x in same]),
        average([all(x) for x in same]),
        average([sum(s["warned"]) / len(s["warned"]) - sum(s["plain"]) / len(s["plain"]) for s in pairs]),
    ]


@settings(deadline=None, max_examples=60)
@given(designs())
def test_values_agree_with_plain_counts(trials: list[Trial]) -> None:
    tasks = sorted({t.task for t in trials})
    for place, measure in enumerate(MEASURES[:4]):
        found = over_tasks(trials, measure)
        assert list(found) == ([*tasks, "*"] if tasks else [])
        expected = {task: reference([t for t in trials if t.task == task])[place] for task in tasks}
        for task, number in expected.items():
            assert found[task].value == (None if number is None else pytest.approx(number, abs=1e-12))
        whole = [x for x in expected.values() if x is not None]
        if tasks and len(whole) == len(tasks):
            assert found["*"].value == pytest.approx(np.mean(whole), abs=1e-12)
        elif tasks:
            assert found["*"].value is None


@settings(deadline=None, max_examples=40)
@given(designs())
def test_numbers_are_well_formed_and_order_does_not_matter(trials: list[Trial]) -> None:
    shuffled = list(reversed(trials))
    for measure in MEASURES:
        found, other = over_tasks(trials, measure), over_tasks(shuffled, measure)
        for task, estimate in found.items():
            assert (other[task].value, other[task].limits) == (estimate.value, estimate.limits)
            if estimate.value is None:
                assert estimate.note
                assert estimate.limits is None
                continue
            assert estimate.limits is not None
            low, high = estimate.limits.low, estimate.limits.high
            assert low - 1e-9 <= estimate.limits.lower95 <= estimate.value + 1e-9
            assert estimate.value - 1e-9 <= estimate.limits.upper95 <= high + 1e-9
            assert min(estimate.n, estimate.clusters) > 0
            assert estimate.influence.sum() == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(designs(), st.integers(2, 3))
def test_the_same_samples_again_are_no_new_evidence(trials: list[Trial], times: int) -> None:
    again = [
        Trial(t.task, f"{t.sample}-{k}", t.cluster, t.variant, t.event, t.level) for t in trials for k in range(times)
    ]
    for measure in (event_rate, orbit_consistency, orbit_worst, slope):
        once, more = over_tasks(trials, measure), over_tasks(again, measure)
        for task, estimate in once.items():
            assert (estimate.value is None) == (more[task].value is None)
            if estimate.value is not None and estimate.limits is not None:
                limits = more[task].limits
                assert limits is not None
                assert more[task].value == pytest.approx(estimate.value, abs=1e-9)
                assert (limits.low, limits.high) == pytest.approx((estimate.limits.low, estimate.limits.high), abs=1e-9)


def test_an_event_rate_has_the_clustered_wilson_interval() -> None:
    hits = np.array([0, 1, 4, 2, 0, 3])
    trials = [trial(row, f"v{k}", k < count) for row, count in enumerate(hits) for k in range(4)]
    found = event_rate(trials)
    assert found.value == pytest.approx(10 / 24)
    assert (found.n, found.clusters) == (24, 6)
    assert found.limits == rate_limits(hits, np.full(6, 4))


def test_an_orbit_of_a_steady_and_of_an_erratic_model() -> None:
    steady = [trial(row, name, row % 2 == 0) for row in range(20) for name in (BASE, "v1", "v2", "v3")]
    assert (orbit_consistency(steady).value, orbit_worst(steady).value) == (1.0, 1.0)
    share, worst = orbit_consistency(steady).limits, orbit_worst(steady).limits
    assert share is not None
    assert worst is not None
    assert share.low == pytest.approx(worst.low)  # twenty clips that agree, not sixty variants
    turned = [trial(row, "v4", row % 2 == 1) for row in range(20)]  # one edit in four always turns it
    erratic = steady + turned
    assert orbit_consistency(erratic).value == 0.75
    assert orbit_worst(erratic).value == 0.0


def test_samples_without_a_base_or_variants_are_counted() -> None:
    trials = [trial(0, BASE, True), trial(0, "v", True), trial(1, BASE, True), trial(2, "v", False)]
    for found in (orbit_consistency(trials), orbit_worst(trials)):
        assert (found.value, found.n) == (1.0, 1)
        assert found.note == "2 of 3 samples lack variant 'base' or any other"
    alone = orbit_consistency(trials[3:])
    assert alone.value is None
    assert alone.note == "no trials; 1 of 1 samples lack variant 'base' or any other"


def test_a_paired_difference_finds_a_planted_one() -> None:
    rng = np.random.default_rng(3)
    trials = [
        trial(row, name, bool(luck < chance))
        for row, luck in enumerate(rng.random(150))
        for name, chance in (("plain", 0.6), ("warned", 0.3))
    ]
    found = PLAIN(trials)
    assert found.value is not None
    assert found.limits is not None
    assert found.limits.low < -0.3 < found.limits.high < -0.1
    swapped = paired_difference(trials, plus="plain", minus="warned")
    assert swapped.value == pytest.approx(-found.value)


def test_a_difference_that_is_nowhere_is_still_uncertain() -> None:
    found = PLAIN([trial(row, name, True) for row in range(100) for name in ("plain", "warned")])
    assert found.value == 0.0
    assert found.limits is not None
    assert found.limits.low < -0.03
    assert 0.03 < found.limits.upper95 < 0.15  # a hundred clips that agree settle a bound of .15


def test_pairs_that_lack_a_side_are_counted() -> None:
    trials = [trial(0, "plain", True), trial(1, "plain", True), trial(1, "warned", False), trial(2, "longer", True)]
    found = PLAIN(trials)
    assert (found.value, found.n) == (-1.0, 1)
    assert found.note == "1 of 2 samples lack 'warned' or 'plain'"
    none = PLAIN(trials[:1])
    assert (none.value, none.note) == (None, "no sample has both 'warned' and 'plain'")


@settings(deadline=None, max_examples=40)
@given(designs())
def test_the_slope_is_that_of_a_cluster_robust_regression(trials: list[Trial]) -> None:
    kept = [t for t in trials if t.task == "AQA" and t.level is not None]
    found, groups = slope(kept), [t.cluster for t in kept]
    levels, clusters = len({t.level for t in kept}), len(set(groups))
    if levels < 2 or clusters < 2:
        assert found.value is None
        return
    design = sm.add_constant(np.array([t.level for t in kept]))
    _, codes = np.unique(groups, return_inverse=True)
    fit = sm.OLS(np.array([float(t.event) for t in kept]), design).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    assert found.value == pytest.approx(fit.params[1], abs=1e-9)
    assert found.value is not None
    assert found.limits is not None
    if found.influence.any():  # theirs with their correction has (N-1)/(N-K) on top of G/(G-1)
        variance = max(float(fit.cov_params()[1, 1]), 0.0)  # a rounding error below 0 where it should be 0
        half = stats.t.ppf(0.975, clusters - 1) * np.sqrt(variance * clusters / (clusters - 1))
        assert found.limits.high - found.value == pytest.approx(half, abs=1e-6)


@pytest.mark.parametrize(
    ("trials", "note"),
    [
        ([trial(row, "v", True, 1.0) for row in range(5)], "1 of the two levels that a slope needs"),
        ([trial(1, "v", True, 1.0), trial(1, "v", True, 2.0)], "1 of the two clips that a slope needs"),
        ([trial(row, "v", True) for row in range(5)], "no trials"),
        ([], "no trials"),
    ],
)
def test_a_slope_needs_levels_and_clips(trials: list[Trial], note: str) -> None:
    found = slope(trials)
    assert (found.value, found.limits, found.note) == (None, None, note)


def test_a_slope_without_any_variation_keeps_a_width() -> None:
    found = slope([trial(row, "v", False, level) for row in range(40) for level in (0.0, 2.0)])
    assert found.value == 0.0
    assert found.limits is not None
    assert found.limits.high == -found.limits.low == pytest.approx(rate_limits(np.zeros(40), np.ones(40)).high / 2)


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="sample SER-0001, variant v: level nan is not finite"):
        trial(1, "v", True, float("nan"))
    with pytest.raises(ValueError, match="sample SER-0001 has 2 trials of variant 'base', not one"):
        orbit_consistency([trial(1, BASE, True), trial(1, BASE, False), trial(1, "v", True)])
    with pytest.raises(ValueError, match="variant 'base' cannot be compared with itself"):
        paired_difference([], plus=BASE)


def test_tasks_that_share_clips_count_them_once() -> None:
    events = np.random.default_rng(1).random((30, 4)) < 0.4
    trials = [
        trial(row, f"v{k}" if k else BASE, bool(event), float(k), task=task)
        for task in ("AQA", "SER")
        for row, orbit in enumerate(events)
        for k, event in enumerate(orbit)
    ]
    for measure in (event_rate, orbit_consistency, slope):
        found = over_tasks(trials, measure)
        own, pooled = found["SER"].limits, found["*"].limits
        assert own is not None
        assert pooled is not None
        assert found["*"].clusters == 30
        assert pooled.low <= own.low + 1e-9
        assert pooled.high == pytest.approx(own.high, abs=5e-3)


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.limits is not None and estimate.limits.low <= truth <= estimate.limits.high


def test_coverage() -> None:
    """A quarter of the clips never follow, the others with a chance of their own that rises with the level."""
    rng = np.random.default_rng(20261126)
    names, levels = (BASE, "v1", "v2", "v3"), np.arange(4.0)
    cells = list(product((20, 60), (0.0, 0.1)))
    covered = dict.fromkeys(("rate", "consistency", "difference", "slope"), 0.0)
    runs = 120
    for clusters, rise in cells:
        hits = dict.fromkeys(covered, 0)
        for _ in range(runs):
            chance = np.where(rng.random(clusters) < 0.25, 0.0, rng.beta(2, 2, clusters) * 0.6)
            chance = np.where(chance > 0, chance, 0.0)[:, None] + (chance > 0)[:, None] * rise * levels
            events = rng.random((clusters, 4)) < chance
            trials = [
                trial(row, names[k], bool(events[row, k]), float(levels[k]))
                for row in range(clusters)
                for k in range(4)
            ]
            mean = 0.75 * (0.3 + rise * levels)
            hits["rate"] += holds(event_rate(trials), float(mean.mean()))
            hits["slope"] += holds(slope(trials), 0.75 * rise)
            difference = paired_difference(trials, plus="v3", minus=BASE)
            hits["difference"] += holds(difference, float(mean[3] - mean[0]))
            # E[p] and E[p^2] of the base's chance: .3 and .36 * .3 among those who follow at all.
            joint = 0.75 * (0.108 + 0.3 * rise * levels[1:])
            agree = 1 - mean[0] - mean[1:] + 2 * joint
            hits["consistency"] += holds(orbit_consistency(trials), float(agree.mean()))
        for name, count in hits.items():
            assert count / runs >= 0.90, (name, clusters, rise)
            covered[name] += count / runs / len(cells)
    assert min(covered.values()) >= 0.93, covered
