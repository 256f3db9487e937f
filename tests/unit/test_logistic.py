"""Logistic regression and temperature: the same numbers as scikit-learn, planted truths found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pytest_mcr.core.clusters import Floats, Mask
from pytest_mcr.core.logistic import LOG_TEMPERATURES, fit_logistic, fit_temperature


def planted(count: int, seed: int = 0) -> tuple[Floats, Mask]:
    rng = np.random.default_rng(seed)
    rows = rng.normal([1, -20, 0.5], [1, 7, 0.01], (count, 3))
    odds = 1.5 * (rows[:, 0] - 1) - 0.2 * (rows[:, 1] + 20) - 0.5
    return rows, rng.random(count) < expit(odds)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 50.0])
def test_scikit_learn_agrees(penalty: float) -> None:
    rows, positive = planted(300)
    ours = fit_logistic(rows, positive, penalty)
    scaler = StandardScaler().fit(rows)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000).fit(scaler.transform(rows), positive)
    assert ours.weights == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)
    expected = theirs.predict_proba(scaler.transform(rows))[:, 1]
    assert ours.probability(rows) == pytest.approx(expected, abs=1e-5)


def test_planted_weights_are_recovered() -> None:
    rows, positive = planted(40_000)
    found = fit_logistic(rows, positive)
    slopes = found.weights / found.scales
    assert slopes[0] == pytest.approx(1.5, abs=0.05)
    assert slopes[1] == pytest.approx(-0.2, abs=0.01)
    assert found.weights[2] == pytest.approx(0, abs=0.05)


def test_a_constant_feature_and_a_separable_target_do_no_harm() -> None:
    rows = np.column_stack([np.arange(40.0), np.full(40, 0.1 + 0.2)])
    found = fit_logistic(rows, rows[:, 0] >= 20)
    assert found.weights[1] == pytest.approx(0)
    assert np.isfinite(found.probability(rows)).all()
    assert 0 < found.probability(rows)[0] < 0.05


@pytest.mark.parametrize("positive", [np.zeros(5, bool), np.ones(5, bool), np.zeros(0, bool)])
def test_one_class_is_refused(positive: Mask) -> None:
    with pytest.raises(ValueError, match="needs both classes"):
        fit_logistic(np.zeros((len(positive), 2)), positive)


def test_prevalence_shifts_the_odds() -> None:
    rows, positive = planted(300)
    model = fit_logistic(rows, positive)
    share = float(positive.mean())
    assert model.probability(rows, (share, share)) == pytest.approx(model.probability(rows))
    rare = model.probability(rows, (share, 0.01))
    odds, before = (p / (1 - p) for p in (rare, model.probability(rows)))
    inside = (rare > 1e-5) & (rare < 1 - 1e-5)
    assert (odds / before)[inside] == pytest.approx((0.01 / 0.99) / (share / (1 - share)))


@pytest.mark.parametrize("truth", [0.4, 1.0, 3.0])
def test_a_planted_temperature_is_recovered(truth: float) -> None:
    rng = np.random.default_rng(2)
    scores = [rng.normal(0, 4, 2 + place % 3) for place in range(6_000)]
    golds = [int(np.argmax(s / truth + rng.gumbel(size=len(s)))) for s in scores]
    assert fit_temperature(scores, golds) == pytest.approx(truth, rel=0.08)


def test_a_temperature_stays_within_its_range() -> None:
    certain = [np.array([0.0, -3.0])] * 20
    low, high = np.exp(LOG_TEMPERATURES)
    assert low <= fit_temperature(certain, [0] * 20) < 0.1
    assert 100 < fit_temperature(certain, [0, 1] * 10) <= high
