"""Proper scores of confidence: Brier with its decomposition, and the log loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pytest_mcr.core.averages import mean_value
from pytest_mcr.core.calibration import equal_width
from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.estimates import Estimate, ratio, undefined
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.rates import Estimates
from pytest_mcr.core.scored import Scored
from pytest_mcr.core.selective import bounded
from pytest_mcr.core.upward import Reaches, of_squares

UNIT: Final = ((0.0, 1.0), (1.0, 1.0))
"""Corners of (num, den) of one answer whose value lies in [0, 1]."""
NO_GOLD_SCORE: Final = "the gold answer has no score"


def proper_scores(rows: Scored, condition: str) -> tuple[Estimates, Reaches]:
    """``brier`` with its three parts, ``brier_multi`` and ``nll`` of scored answers, at least one, and their reach."""
    found = {"brier": brier(rows)} | decomposition(rows) | {"brier_multi": brier_multi(rows), "nll": nll(rows)}
    added = of_squares(rows, equal_width(rows.confidence))
    return (
        {(name, condition, ()): value for name, value in found.items()},
        {(name, condition, ()): (added, 0.0) for name in ("brier_reliability", "brier_resolution")},
    )


def brier(rows: Scored) -> Estimate:
    """Mean of ``(confidence - right)^2`` (Brier, 1950, of being right), with the betting interval."""
    return _mean(rows, (rows.confidence - rows.right) ** 2)


def _mean(rows: Scored, values: Floats) -> Estimate:
    """Mean of values in [0, 1]."""
    everyone = np.ones(len(rows), dtype=np.bool_)
    found = ratio(rows.clips, values, everyone, everyone, corners=UNIT, span=(0.0, 1.0), empty="no answers")
    return replace(found, step=None)  # an answer moves it by its confidence, not by a fixed step


def decomposition(rows: Scored) -> dict[str, Estimate]:
    """Murphy's parts of the Brier score over bins of equal width: reliability - resolution + uncertainty.

    ``reliability = sum_b w_b (confidence_b - right_b)^2``, ``resolution = sum_b w_b (right_b - right)^2``,
    ``uncertainty = right (1 - right)`` (Murphy, J. Appl. Meteorol. 12, 1973). What the Brier score has beyond them is
    the spread of confidence inside bins (Stephenson et al., Weather Forecast. 23, 2008). The first two are biased
    upward on few answers, as ECE is. Intervals: Wilson's on the effective size of the linearised part.
    """
    bins, right = equal_width(rows.confidence), rows.right
    counts = np.maximum(np.bincount(bins), 1)
    gaps = (np.bincount(bins, weights=rows.confidence - right) / counts)[bins]
    hits = (np.bincount(bins, weights=right) / counts)[bins]
    base = float(right.mean())
    misses = rows.confidence - right
    return {
        "brier_reliability": bounded(rows, float((gaps**2).mean()), 2 * gaps * misses - gaps**2),
        "brier_resolution": bounded(
            rows, float(((hits - base) ** 2).mean()), 2 * (hits - base) * (right - hits) + (hits - base) ** 2
        ),
        "brier_uncertainty": bounded(rows, base * (1 - base), base * (1 - base) + (1 - 2 * base) * (right - base)),
    }  # fmt: skip


def brier_multi(rows: Scored) -> Estimate:
    """Mean over answers of ``sum_k (p_k - [k is gold])^2``, in [0, 2]; half of it is in [0, 1] and is bet on."""
    if np.isnan(rows.brier).any():
        return undefined(rows.clips, NO_GOLD_SCORE, len(rows))
    half = _mean(rows, rows.brier / 2)
    assert half.value is not None
    assert half.limits is not None
    ends = half.limits
    doubled = Limits(2 * ends.low, 2 * ends.high, 2 * ends.lower95, 2 * ends.upper95)
    return replace(half, value=2 * half.value, limits=doubled, influence=2 * half.influence)


def nll(rows: Scored) -> Estimate:
    """Mean of -log p of the gold answer over the candidates, in nats; unbounded, hence Student's interval."""
    if np.isnan(rows.log_loss).any():
        return undefined(rows.clips, NO_GOLD_SCORE, len(rows))
    return mean_value(rows.clips, rows.log_loss, np.ones(len(rows), dtype=np.bool_), empty="no answers")
