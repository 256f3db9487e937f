"""The balance point: the relative uncertainty at which a model follows text and audio alike (arXiv 2511.02243)."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, stdtrit

from pytest_mcr.core.averages import settled
from pytest_mcr.core.clusters import Clustered, Floats, Mask
from pytest_mcr.core.estimates import Estimate, undefined
from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED, Limits

LEAST_CLIPS: Final = 20
SPAN: Final = (-2.0, 2.0)
"""Least and largest possible relative uncertainty."""


def balance_point(clips: Clustered, uncertainty: Floats, follows: Mask, counted: Mask) -> Estimate:
    """Where P(follow the text) is one half: the dH found by a logistic regression of following on dH.

    Where it lies above 0 the model follows a text that leaves more doubt than the audio: it prefers text, its hearing
    apart. The interval is Fieller's (J. R. Stat. Soc. B 16, 1954) for minus the ratio of intercept and slope, with the
    cluster-robust covariance of the fit and Student's quantile of G-1 degrees; an end that cannot be excluded is that
    of the possible values, -2 or 2.

    Args:
        clips: the rows' clusters.
        uncertainty: dH by row, in [-2, 2]; ignored where not counted.
        follows: the text's answer won, by row.
        counted: the rows that take part.

    Returns:
        Undefined, with the reason, where the data cannot identify it: fewer than `LEAST_CLIPS` clips, one outcome
        only, one dH only, dH separates the outcomes, P(follow) does not fall with dH, no balance within [-2, 2].
    """
    n, rows = int(counted.sum()), clips.per_cluster(counted)
    clusters = int((rows > 0).sum())
    x, y = uncertainty[counted], follows[counted]
    reason = f"fewer than {LEAST_CLIPS} clips" if clusters < LEAST_CLIPS else _unidentified(x, y)
    if reason:
        return undefined(clips, reason, n)
    design = np.stack([np.ones(n), x])
    beta = fit(x, y)
    if beta[1] >= 0:
        return undefined(clips, "P(follow) does not fall with the text's relative uncertainty", n)
    value = float(-beta[0] / beta[1])
    if not SPAN[0] <= value <= SPAN[1]:
        return undefined(clips, f"P(follow) is {'above' if value > 0 else 'below'} one half at every possible dH", n)
    chance = expit(beta @ design)
    bread = np.linalg.inv((design * (chance * (1 - chance))) @ design.T)
    scores = np.zeros((2, len(counted)))
    scores[:, counted] = design * (y - chance)
    moves = bread @ np.stack([clips.per_cluster(score) for score in scores])
    covariance = clusters / (clusters - 1) * moves @ moves.T
    influence = settled(-(moves[0] + value * moves[1]) / beta[1], 1.0)
    found = Estimate(value, _limits(beta, covariance, clusters), n, clusters, influence, rows / n)
    inside = float(x.min()) <= value <= float(x.max())
    return found if inside else found.noted("extrapolated: no clip lies beyond it")


def _unidentified(x: Floats, y: Mask) -> str | None:
    if not y.any() or y.all():
        return "the text is followed on every clip" if y.any() else "the text is followed on no clip"
    if np.ptp(x) <= 1e-9:
        return "every clip has the same relative uncertainty"
    followed, kept = x[y], x[~y]
    if followed.max() <= kept.min() or kept.max() <= followed.min():
        return "relative uncertainty separates the followed clips from the others: no finite slope"
    return None


def fit(x: Floats, y: Mask) -> Floats:
    """Intercept and slope of the logistic regression of ``y`` on ``x``, by maximum likelihood.

    Args:
        x: finite, not all the same, shape (n,).
        y: outcomes that ``x`` does not separate, shape (n,).

    Raises:
        ArithmeticError: the maximum was not found.
    """
    centre, scale = float(x.mean()), float(x.std())
    design = np.stack([np.ones(len(x)), (x - centre) / scale])

    def loss(beta: Floats) -> float:
        eta = beta @ design
        return float(np.logaddexp(0.0, eta).sum() - eta[y].sum()) / len(x)

    def slope(beta: Floats) -> Floats:
        gradient: Floats = design @ (expit(beta @ design) - y) / len(x)
        return gradient

    def bend(beta: Floats) -> Floats:
        chance = expit(beta @ design)
        hessian: Floats = (design * (chance * (1 - chance))) @ design.T / len(x)
        return hessian

    found = minimize(loss, np.zeros(2), jac=slope, hess=bend, method="trust-exact", options={"gtol": 1e-9})
    if float(np.abs(slope(found.x)).max()) > 1e-6:
        raise ArithmeticError(f"logistic fit on {len(x)} clips stopped at {found.x}: {found.message}")
    return np.array([found.x[0] - found.x[1] * centre / scale, found.x[1] / scale])


def _limits(beta: Floats, covariance: Floats, clusters: int) -> Limits:
    ends: list[float] = []
    for level in (TWO_SIDED, ONE_SIDED):
        square = float(stdtrit(clusters - 1, level)) ** 2
        a = beta[1] ** 2 - square * covariance[1, 1]
        b = beta[0] * beta[1] - square * covariance[0, 1]
        c = beta[0] ** 2 - square * covariance[0, 0]
        if a <= 0:  # the slope may be 0: every value is possible
            ends += SPAN
            continue
        root = np.sqrt(max(b * b - a * c, 0.0))
        ends += [max((-b - root) / a, SPAN[0]), min((-b + root) / a, SPAN[1])]
    return Limits(*(float(end) for end in ends))
