"""AUROC over folds and clusters, held to scikit-learn and simulation; differences and ratios of AUROCs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pytest_mcr.core.clusters import Clusters
from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.separation import area, difference, retained

Array = NDArray[Any]
Rows = tuple[Clusters, Array, Array, Array]
"""Clusters, scores, classes and folds."""


def planted(rng: np.random.Generator, blocks: int, lift: float, classes: int = 2) -> Rows:
    """Blocks of 8 rows with a shared shift by class, two folds."""
    groups = np.repeat(np.arange(blocks), 8)
    truth = np.tile(np.arange(8) % classes, blocks)
    shift = rng.standard_normal((blocks, classes))[groups, truth] * 0.5
    scores = truth * lift + shift + rng.standard_normal(len(truth))
    return Clusters(groups, blocks), scores, truth, groups % 2


def one(clusters: Clusters, scores: Array, truth: Array, folds: Array) -> Estimate:
    return area(clusters, scores, truth, folds, units=len(truth))


def test_within_folds_it_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    clusters, scores, truth, folds = planted(rng, 12, 1.0)
    scores = scores.round(1) + 5.0 * folds  # ties, and folds that must not be ranked against each other
    expected = np.mean([roc_auc_score(truth[folds == fold], scores[folds == fold]) for fold in (0, 1)])
    found = one(clusters, scores, truth, folds)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.influence.sum() == pytest.approx(0, abs=1e-12)


def test_of_several_classes_it_is_the_mean_of_one_against_the_rest() -> None:
    rng = np.random.default_rng(1)
    clusters, _, truth, _ = planted(rng, 10, 0.0, classes=4)
    columns = rng.standard_normal((len(truth), 4)) + np.eye(4)[truth]
    expected = np.mean([roc_auc_score(truth == code, columns[:, code]) for code in range(4)])
    assert one(clusters, columns, truth, np.zeros(len(truth), dtype=np.int64)).value == pytest.approx(
        expected, abs=1e-12
    )


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(2)
    truth = one(*planted(rng, 20_000, 1.0)).value
    assert truth is not None
    drawn = [one(*planted(rng, 24, 1.0)).limits for _ in range(300)]
    hits = [limits is not None and limits.low <= truth <= limits.high for limits in drawn]
    assert np.mean(hits) >= 0.93


def test_constant_scores_are_chance_and_one_class_is_nothing() -> None:
    clusters, scores, truth, folds = planted(np.random.default_rng(3), 6, 1.0)
    assert one(clusters, np.zeros_like(scores), truth, folds).value == 0.5
    lonely = one(clusters, scores, np.ones_like(truth), folds)
    assert lonely.value is None
    assert lonely.note == "only one class"


def test_a_baseline_below_chance_is_no_credit() -> None:
    rng = np.random.default_rng(4)
    clusters, scores, truth, folds = planted(rng, 30, 1.0)
    good, bad = one(clusters, scores, truth, folds), one(clusters, -scores, truth, folds)
    assert good.value is not None
    gap = difference(good, bad)
    assert gap.value == pytest.approx(good.value - 0.5)
    assert gap.value is not None
    assert gap.limits is not None
    assert 0 < gap.limits.low < gap.limits.lower95 < gap.value < gap.limits.upper95 <= gap.limits.high <= 0.5
    assert good.limits is not None
    assert gap.limits.low <= good.limits.low - 0.5  # a baseline without any variance narrows nothing
    same = difference(good, good)
    assert same.value == 0
    assert same.limits is not None
    assert same.limits.low <= 0 <= same.limits.high
    assert same.limits.high < 0.25


def test_retained_is_a_share_and_undefined_without_a_whole() -> None:
    rng = np.random.default_rng(5)
    clusters, scores, truth, folds = planted(rng, 40, 2.5)
    whole = one(clusters, scores, truth, folds)
    weaker = one(clusters, scores + 3 * rng.standard_normal(len(scores)), truth, folds)
    chance = one(clusters, np.zeros_like(scores), truth, folds)
    found = retained(weaker, whole, chance)
    assert whole.value is not None
    assert weaker.value is not None
    assert found.value == pytest.approx((weaker.value - 0.5) / (whole.value - 0.5))
    assert found.value is not None
    assert found.limits is not None
    assert found.limits.low < found.limits.lower95 < found.value < found.limits.upper95 < found.limits.high
    nothing = retained(weaker, one(clusters, rng.standard_normal(len(scores)), truth, folds), chance)
    assert nothing.value is None
    assert "clip alone" in str(nothing.note)
