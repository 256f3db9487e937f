"""Measures under weights against plain loops and scikit-learn; the interval of a difference covers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from pytest_mcr.core.calibration import BINS
from pytest_mcr.core.clusters import Clusters, Floats, Mask
from pytest_mcr.core.paired import MEASURES, compare

ROWS = st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 3)), min_size=1, max_size=25)


def loops(confidence: Floats, right: Mask) -> dict[str, float]:
    order = sorted(zip(confidence.tolist(), right.tolist(), strict=True), key=lambda row: -row[0])
    risks, wrong = [], 0.0
    for place, (value, _) in enumerate(order):
        tied = [not hit for other, hit in order if other == value]
        wrong += sum(tied) / len(tied)
        risks.append(wrong / (place + 1))
    gap = 0.0
    for part in range(BINS):
        inside = (confidence > part / BINS) & (confidence <= (part + 1) / BINS) | ((part == 0) & (confidence == 0))
        gap += abs(float((confidence - right)[inside].sum()))
    return {"aurc": sum(risks) / len(risks), "ece": gap / len(order)}


@given(ROWS)
def test_whole_weights_are_repeated_rows(rows: list[tuple[int, bool, int]]) -> None:
    confidence, right = np.array([k / 8 for k, _, _ in rows]), np.array([hit for _, hit, _ in rows], dtype=bool)
    times = np.array([t for _, _, t in rows], dtype=np.int64)
    if not times.any():
        times[0] = 1
    repeated = np.repeat(confidence, times), np.repeat(right, times)
    plain = loops(*repeated)
    for name, measure in MEASURES.items():
        weighted = measure(confidence, right, times[None, :].astype(np.float64))[0]
        unweighted = measure(*repeated, np.ones((1, len(repeated[0]))))[0]
        if name != "aurc":  # a tie's mean error is spread over the rows of the tie
            assert weighted == pytest.approx(unweighted, abs=1e-9, nan_ok=True), name
        if name in plain:
            assert unweighted == pytest.approx(plain[name], abs=1e-9), name


def test_scikit_learn_agrees() -> None:
    rng = np.random.default_rng(0)
    confidence = np.round(rng.random(200), 2) * 0.98 + 0.01
    right = rng.random(200) < confidence
    ones = np.ones((1, 200))
    assert MEASURES["brier"](confidence, right, ones)[0] == pytest.approx(brier_score_loss(right, confidence), abs=1e-9)
    assert MEASURES["nll"](confidence, right, ones)[0] == pytest.approx(log_loss(right, confidence), abs=1e-9)
    assert MEASURES["auroc"](confidence, right, ones)[0] == pytest.approx(roc_auc_score(right, confidence), abs=1e-9)


def test_the_interval_covers_a_known_difference() -> None:
    """Brier of a constant 0.5 less that of the true chance 0.8, five answers a clip: 0.25 - 0.16 in expectation."""
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        clips = Clusters(np.repeat(np.arange(40), 5), 40)
        right = rng.random(200) < 0.8
        found = compare(MEASURES["brier"], np.full(200, 0.8), np.full(200, 0.5), right, clips, seed=seed)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.09 <= found.high
    assert hits >= 53  # 0.95 * 60 less two standard deviations


def test_a_single_clip_has_no_interval() -> None:
    clips = Clusters(np.zeros(4, dtype=np.int64), 1)
    right = np.array([True, False, True, True])
    found = compare(MEASURES["ece"], np.full(4, 0.9), np.full(4, 0.7), right, clips)
    assert (found.low, found.high) == (None, None)
    assert found.difference == pytest.approx(0.05 - 0.15)


def test_the_same_seed_gives_the_same_interval() -> None:
    rng = np.random.default_rng(5)
    clips, right = Clusters(np.arange(30), 30), rng.random(30) < 0.5
    before, after = rng.random(30), rng.random(30)
    found = [compare(MEASURES["aurc"], before, after, right, clips, seed=seed) for seed in (3, 3, 4)]
    assert found[0] == found[1]
    assert found[0].difference == found[2].difference
    assert found[0].low != found[2].low
