"""Evidence by betting: fair under the truth at every stopping time, quick where the truth is clear."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pytest_mcr.core.betting import MEAN, RATIO
from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, PLACEBO, Outcome, Verdict
from pytest_mcr.core.metrics import measure
from pytest_mcr.core.sequential import (
    ABOVE,
    BELOW,
    LEAST,
    STEP,
    Mean,
    Process,
    ceil_of,
    ends,
    floor_of,
    grid,
    limits_of,
    rejects,
)  # fmt: skip
from pytest_mcr.core.sequential_parts import LINEAR, parts, readings
from tests.unit.outcomes import ERROR, OTHER, RIGHT, TEXT, UNPARSED, planted

Floats = NDArray[np.float64]
RUNS = 2000
CLIPS = 400
ERROR_OF_RUNS = 3 * np.sqrt(0.05 * 0.95 / RUNS)
"""Three standard errors of a rate of 0.05 in 2,000 runs."""


@pytest.mark.parametrize("theta", [0.3, 0.8, 1.0])
def test_nobody_gains_under_the_true_ratio(theta: float) -> None:
    """Enumerate every sequence of four clips under a law with ratio theta: the expected capital is exactly 1."""
    law = {
        (1.0, 1.0): 0.4 * theta, (0.0, 1.0): 0.5 - 0.4 * theta, (1.0, 0.0): 0.1 * theta, (0.0, 0.0): 0.5 - 0.1 * theta
    }  # fmt: skip
    rows = list(product(law, repeat=4))
    chance = np.array([np.prod([law[clip] for clip in row]) for row in rows])
    process = Process(RATIO, np.array([theta]), (len(rows),))
    for clip in np.moveaxis(np.array(rows), 1, 0):
        process.take(clip[:, 0], clip[:, 1])
    for side in (ABOVE, BELOW):
        assert float(np.exp(process.now[:, side, 0]) @ chance) == pytest.approx(1.0)


def influence(rng: np.random.Generator, rate: float) -> tuple[Floats, Floats]:
    """A Text Influence Rate of a model that hears four clips in five."""
    den = rng.random(RUNS) < 0.8
    return (den & (rng.random(RUNS) < rate)).astype(float), den.astype(float)


def robustness(rng: np.random.Generator, rate: float) -> tuple[Floats, Floats]:
    """An MRS: adversarial and irrelevant answers of a model that hears four clips in five; correlated with hearing."""
    heard = rng.random(RUNS) < 0.8
    adversarial, irrelevant = (heard & (rng.random(RUNS) < p) for p in (rate, rate))
    return 0.8 * adversarial + 0.2 * irrelevant, heard.astype(float)


def share(rng: np.random.Generator, rate: float) -> tuple[Floats, Floats]:
    """An accuracy over three questions a clip that agree by half."""
    same = rng.random(RUNS) < 0.5
    one, others = rng.random(RUNS) < rate, rng.random((RUNS, 3)) < rate
    return np.where(same, one, others.mean(1)).astype(float), np.ones(RUNS)


CASES: dict[str, tuple[Callable[[np.random.Generator, float], tuple[Floats, Floats]], tuple[tuple[float, float], ...]]]
CASES = {"tir": (influence, MEAN), "mrs": (robustness, RATIO), "accuracy": (share, MEAN)}


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("name", CASES)
def test_errors_hold_at_every_stopping_time(name: str, rate: float) -> None:
    """2,000 runs whose truth lies at the threshold, looked at after each of 600 clips: at most 5 in 100 ever cross."""
    draw, corners = CASES[name]
    rng = np.random.default_rng(7)
    process = Process(corners, np.array([rate]), (RUNS,))
    for _ in range(CLIPS):
        process.take(*draw(rng, rate))
    for side in (ABOVE, BELOW):
        assert np.mean(process.best[:, side, 0] >= rejects(0.05)) <= 0.05 + ERROR_OF_RUNS


@pytest.mark.parametrize("name", CASES)
def test_confidence_sequences_cross_no_more_than_stated(name: str) -> None:
    """A truth between two candidates: the 95 % sequence loses it in at most 5 of 100 runs, whenever one looks."""
    draw, corners = CASES[name]
    rng = np.random.default_rng(11)
    truth = 0.3025
    near = np.array([floor_of(truth), ceil_of(truth)]) * STEP
    process = Process(corners, near, (RUNS,))
    for _ in range(CLIPS):
        process.take(*draw(rng, truth))
    lost = (process.best[:, BELOW, 0] >= rejects(0.025)) | (process.best[:, ABOVE, 1] >= rejects(0.025))
    assert np.mean(lost) <= 0.05 + ERROR_OF_RUNS


@pytest.mark.parametrize(("rate", "most"), [(0.02, 25), (0.1, 45), (0.2, 190), (0.5, 70), (0.95, 12)])
def test_clear_cases_are_decided_soon(rate: float, most: int) -> None:
    """The bound 0.30 of `release`; medians in heard clips, of which the model has four in five."""
    rng = np.random.default_rng(5)
    process = Process(MEAN, np.array([0.3]), (RUNS,))
    side = BELOW if rate < 0.3 else ABOVE
    first = np.full(RUNS, np.inf)
    for clip in range(1, CLIPS + 1):
        process.take(*influence(rng, rate))
        first = np.where(np.isinf(first) & (process.best[:, side, 0] >= rejects(0.05)), clip, first)
    assert 0.8 * np.median(first) <= most
    wrong = process.best[:, 1 - side, 0] >= rejects(0.05)
    assert wrong.mean() <= 0.01


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_an_interval_holds_its_value_and_narrows(clips: list[tuple[float, float]]) -> None:
    process = Process(RATIO, grid(2.0))
    wide = (0.0, 50.0)
    for num, den in clips:
        process.take(num, den)
        low, high = ends(process.best, 0.025, 50.0)
        assert wide[0] <= low
        assert high <= wide[1]
        wide = (low, high)
    limits = limits_of(process.best, 50.0, 0.4)
    assert limits.low <= limits.lower95 <= 0.4 <= limits.upper95 <= limits.high


def capitals(tasks: int, candidates: int) -> st.SearchStrategy[list[Floats]]:
    one = arrays(np.float64, (2, candidates), elements=st.floats(-5, 8))
    return st.lists(one, min_size=tasks, max_size=tasks)


@pytest.mark.parametrize("shared", [False, True])
@settings(max_examples=25)
@given(st.integers(1, 3).flatmap(lambda tasks: capitals(tasks, 5)), st.floats(0, 4 * STEP))
def test_a_mean_is_rejected_only_when_every_way_to_make_it_up_is(
    shared: bool, parts_: list[Floats], value: float
) -> None:
    """Against an enumeration of all ways, candidates being 0 to 4 steps."""
    mean = Mean(len(parts_), 5, shared=shared, bounded=True)
    mean.look(parts_)

    def joint(side: int, places: tuple[int, ...]) -> float:
        found = [part[side, place] for part, place in zip(parts_, places, strict=True)]
        return float(max(found) - np.log(len(found)) if shared else sum(found))

    ways = list(product(range(5), repeat=len(parts_)))
    # Above, candidate k stands for the ratios in (k - 1, k] steps, 0 for itself; below for those in [k, k + 1).
    total = len(parts_) * value / STEP
    low = [joint(ABOVE, p) for p in ways if sum(max(k - 1, 0) for k in p) < total - 1e-6 or not any(p)]
    high = [joint(BELOW, p) for p in ways if sum(k + 1 for k in p) > total + 1e-6]
    assert mean.at_most(value) <= min(low, default=np.inf) + 1e-9
    assert mean.at_least(value) <= min(high, default=np.inf) + 1e-9


def test_beyond_the_candidates_an_unbounded_mean_is_not_rejected() -> None:
    """One task's ratio may lie anywhere beyond the last candidate: without evidence there the mean has no top."""
    part = np.full((2, 5), 20.0)
    mean = Mean(2, 5, shared=False, bounded=False)
    sure_of_all_but_the_last = part.copy()
    sure_of_all_but_the_last[BELOW, -1] = LEAST
    mean.look([part, sure_of_all_but_the_last])
    assert mean.at_least(STEP) == pytest.approx(20.0 + LEAST)
    sure_of_all_but_the_last[BELOW, -1] = -20.0  # as much evidence for it as there is against the others
    mean = Mean(2, 5, shared=False, bounded=False)
    mean.look([part, sure_of_all_but_the_last])
    assert mean.limits(99.0, 0.01).high == 99.0


def test_two_tasks_decide_a_mean_sooner_than_one() -> None:
    rng = np.random.default_rng(2)
    processes = [Process(MEAN, grid(1.0)) for _ in range(2)]
    mean = Mean(2, len(grid(1.0)), shared=False, bounded=True)
    alone = together = 0
    for clip in range(1, 400):
        for process in processes:
            process.take(float(rng.random() < 0.2), 1.0)
        if not alone and processes[0].now[BELOW, floor_of(0.3)] >= rejects(0.05):
            alone = clip
        mean.look([process.now for process in processes])
        if not together and mean.at_least(0.3) >= rejects(0.05):
            together = clip
    assert 0 < together < alone
    limits = mean.limits(1.0, 0.2)
    assert limits.low < 0.2 < limits.high < 0.3


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {c: st.sampled_from([RIGHT, TEXT, OTHER, UNPARSED, ERROR]) for c in (*CONDITIONS, PLACEBO)}
        ),
        min_size=2, max_size=12,
    )
)  # fmt: skip
def test_the_parts_of_each_ratio_give_the_metric(verdicts: list[dict[str, Verdict]]) -> None:
    samples: list[dict[str, Outcome]] = [
        {condition: planted(row, condition, verdict) for condition, verdict in one.items()}
        for row, one in enumerate(verdicts)
    ]
    table = measure([outcome for one in samples for outcome in one.values()])
    compared = 0
    for row in table:
        if row.metric not in LINEAR or row.metric == "skill" or row.task == "*" or row.extra or row.value is None:
            continue
        values = []
        for reading in readings(row.metric, row.condition, 0.8):
            found = np.array([parts(reading, one, 0.8) for one in samples]).sum(0)
            values.append(found[0] / found[1])
        if row.metric == "mrs":
            values.append(1.0)
        assert min(values) == pytest.approx(row.value), row
        compared += 1
    assert compared >= 1 or not any(v[ADVERSARIAL] != ERROR for v in verdicts)
