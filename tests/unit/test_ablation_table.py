"""The ablation's tables: paired seeds, matched hearing, Student's intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_mcr.train.fusion_arms import CONFLICT, NONE, SFT, Study
from pytest_mcr.train.fusion_blocks import FUSIONS, Fusion
from pytest_mcr.train.fusion_table import GATE, TIR, Found, comparisons, difference, paired, report


def found(way: Fusion, arm: str, seed: int, neutral: float, adversarial: float) -> Found:
    numbers = {"neutral": neutral, "faithful": 1.0, "adversarial": adversarial, "irrelevant": neutral, TIR: 0.5}
    return Found(way, arm, seed, 1000, numbers | ({GATE: 0.75} if way == "gated" else {}), ())


def test_pairs_count_where_they_hear_equally_well() -> None:
    models = [found("concat", NONE, seed, 0.95, 0.4) for seed in range(4)]
    models += [found("cross", NONE, seed, 0.95 - 0.02 * seed, 0.5 + 0.1 * seed) for seed in range(4)]
    one, other = ("cross", NONE), ("concat", NONE)
    assert paired(models, one, other, "adversarial", matched=False).mean == pytest.approx(0.25)
    matched = paired(models, one, other, "adversarial", matched=True)
    assert matched.seeds == 2
    assert matched.mean == pytest.approx(0.15)
    edge = [found("concat", NONE, 0, 0.95, 0.4), found("cross", NONE, 0, 0.92, 0.5)]
    assert paired(edge, one, other, "adversarial", matched=True).seeds == 1


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_intervals_are_students(values: list[float]) -> None:
    ours = difference(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95) if np.ptp(values) > 1e-9 else None
    assert ours.mean == pytest.approx(np.mean(values), abs=1e-12)
    if expected is not None:
        assert ours.low == pytest.approx(expected.low, abs=1e-9)
        assert ours.high == pytest.approx(expected.high, abs=1e-9)


def test_without_pairs_nothing_is_said() -> None:
    assert difference([]).mean is None
    assert (difference([0.3]).mean, difference([0.3]).low) == (0.3, None)
    models = [found("concat", NONE, 0, 0.9, 0.1), found("cross", NONE, 0, 0.5, 0.9)]
    assert "| cross none | concat none | 0 of 1 | - | - | +0.80 | -0.40 |" in report(models)


def test_a_run_that_is_not_valid_gives_no_number() -> None:
    models = [found("gated", CONFLICT, seed, 0.9, 0.6 + 0.1 * seed) for seed in (0, 1)]
    models += [Found("gated", CONFLICT, 2, 1000, {}, ("SER[neutral]: 10 unparsed answers in 10 cases, 1 allowed",))]
    text = report(models)
    line = next(line for line in text.splitlines() if line.startswith("| gated"))
    assert (
        "| 0.90 (0.00) | 1.00 (0.00) | 0.65 (0.07) | 0.90 (0.00) | 0.50 (0.00) | - | 0.75 (0.00) | - | 2 of 3 |" in line
    )
    assert "gated conflict, seed 2: not valid: SER[neutral]: 10 unparsed" in text


def test_every_fusion_is_compared() -> None:
    models = [found(pair.fusion, arm, 0, 0.9, 0.5) for pair in Study(seeds=1).pairs() for arm in pair.arms]
    assert len(models) == 9
    pairs = comparisons(models)
    assert {one for one, other in pairs if other == ("concat", NONE)} == {
        ("cross", NONE), ("twoway", NONE), ("gated", NONE), ("concat", CONFLICT), ("concat", SFT),
    }  # fmt: skip
    assert {one for one, other in pairs if other == ("concat", CONFLICT)} == {
        ("cross", CONFLICT), ("twoway", CONFLICT), ("gated", CONFLICT),
    }  # fmt: skip
    assert {one[0] for one, other in pairs if other == ("concat", SFT)} == set(FUSIONS)
