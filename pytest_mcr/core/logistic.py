"""Logistic regression with an L2 penalty, and the one temperature of temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit, logsumexp

from pytest_mcr.core.clusters import Floats, Mask

CLAMP: Final = 1e-6
"""How near to 0 and 1 a probability may come: one wrong answer must not cost an infinite log-loss."""
LOG_TEMPERATURES: Final = (-5.0, 7.0)
"""Range of log T that is searched: temperatures from 0.007 to 1,100."""


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """A fitted model on standardised features.

    Attributes:
        means: of each feature on the data it was fitted on.
        scales: standard deviations there; 1 for a feature that was constant.
        weights: of the standardised features.
        intercept: in log-odds.
    """

    means: Floats
    scales: Floats
    weights: Floats
    intercept: float

    def log_odds(self, rows: Floats) -> Floats:
        """Log-odds of each row, shape (n,), from features of shape (n, features)."""
        odds: Floats = (rows - self.means) / self.scales @ self.weights + self.intercept
        return odds

    def probability(self, rows: Floats, prevalence: tuple[float, float] | None = None) -> Floats:
        """Probability of each row.

        Args:
            rows: features, shape (n, features).
            prevalence: share of positives where the model was fitted and where it is applied; shifts the log-odds by
                the difference of theirs (Saerens et al., Neural Comput. 14, 2002). None: the same.
        """
        odds = self.log_odds(rows)
        if prevalence is not None:
            odds = odds + logit(prevalence[1]) - logit(prevalence[0])
        return clamped(expit(odds))


def clamped(probabilities: Floats) -> Floats:
    """Probabilities kept away from 0 and 1 by `CLAMP`."""
    return np.clip(probabilities, CLAMP, 1 - CLAMP)


def fit_logistic(rows: Floats, positive: Mask, penalty: float = 1.0) -> Logistic:
    """Standardise and fit by Newton steps.

    Minimises ``sum(log(1 + exp(-y z))) + penalty/2 * |w|^2`` with ``z`` the log-odds; the intercept is not penalised.
    scikit-learn calls ``1 / penalty`` C.

    Args:
        rows: features, shape (n, features), finite.
        positive: the target, shape (n,).
        penalty: above 0, so that there is always exactly one minimum.

    Raises:
        ValueError: no rows, or one class only.
    """
    if not 0 < int(positive.sum()) < len(positive):
        raise ValueError(f"{int(positive.sum())} of {len(positive)} rows are positive; a fit needs both classes")
    means, scales = rows.mean(0), rows.std(0)
    # A constant column has a deviation of rounding errors only; dividing by them would blow them up to features.
    scales = np.where(scales <= 1e-9 * np.maximum(np.abs(means), 1.0), 1.0, scales)
    design = np.column_stack([(rows - means) / scales, np.ones(len(rows))])
    ridge = np.append(np.full(rows.shape[1], penalty), 0.0)
    sign = np.where(positive, 1.0, -1.0)

    def loss(w: Floats) -> tuple[float, Floats]:
        z = sign * (design @ w)
        value = np.logaddexp(0.0, -z).sum() + ridge @ (w * w) / 2
        return float(value), -(design.T @ (sign * expit(-z))) + ridge * w

    def curvature(w: Floats) -> Floats:
        p = expit(design @ w)
        bent: Floats = (design * (p * (1 - p))[:, None]).T @ design + np.diag(ridge)
        return bent

    start = np.zeros(design.shape[1])
    found = minimize(loss, start, jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-8})
    return Logistic(means, scales, found.x[:-1], float(found.x[-1]))


def fit_temperature(scores: Sequence[NDArray[np.float64]], golds: Sequence[int]) -> float:
    """The temperature T whose ``softmax(s / T)`` gives the gold answers the best likelihood (Guo et al., ICML 2017).

    Args:
        scores: candidate scores in nats, one array a question; their lengths may differ.
        golds: place of each gold answer.

    Returns:
        T, within the range of `LOG_TEMPERATURES`.
    """
    sizes = sorted({len(s) for s in scores})
    groups = [
        (
            np.stack([s for s in scores if len(s) == size]),
            np.array([gold for s, gold in zip(scores, golds, strict=True) if len(s) == size]),
        )
        for size in sizes
    ]

    def loss(log_t: float) -> float:
        total = 0.0
        for block, gold in groups:
            scaled = block / np.exp(log_t)
            total += float((logsumexp(scaled, axis=1) - scaled[np.arange(len(gold)), gold]).sum())
        return total

    found = minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
