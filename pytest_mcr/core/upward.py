"""What chance adds to numbers of binned answers: a lower end moves down by it, for a mean over tasks as for a task.

The absolute and the squared gaps of bins are positive by chance alone. Over tasks these amounts do not cancel as noise
does, so they are kept beside the estimates until the means are taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.special import erf

from pytest_mcr.core.clusters import Codes, Floats
from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.rates import Estimates, Key
from pytest_mcr.core.scored import Scored

Reach = tuple[float, float]
"""How far chance may have moved a number up, and down: its lower end goes down and its upper end up by so much."""
Reaches = dict[Key, Reach]

DOUBT: Final = 2.0
"""Standard errors by which a gap must exceed 0 before its share of the bias counts as smaller than at 0."""


def of_gaps(rows: Scored, bins: Codes) -> float:
    """Upper bound of what chance adds to the sum of absolute gaps: ``sum_b E|D_b + e_b| - |D_b|``.

    A bin's noise is taken as normal (see `_variances`), its true gap as the observed one less `DOUBT` standard errors.
    """
    gaps = np.abs(np.bincount(bins, weights=rows.right - rows.confidence))[np.bincount(bins) > 0]
    noise = np.sqrt(_variances(rows, bins))
    true = np.maximum(gaps / noise - DOUBT, 0.0)
    added = np.sqrt(2 / np.pi) * np.exp(-(true**2) / 2) + true * (erf(true / np.sqrt(2)) - 1)
    return float(added @ noise) / len(rows)


def of_squares(rows: Scored, bins: Codes) -> float:
    """What chance adds to the mean squared gap of bins: the mean variance of a bin's share of right answers."""
    counts = np.bincount(bins)
    return float((_variances(rows, bins) / counts[counts > 0]).sum()) / len(rows)


def _variances(rows: Scored, bins: Codes) -> Floats:
    """Variance of the right answers of each bin that has any.

    One right and one wrong answer are added to each, so that a bin in which all agree keeps some; the answers of a clip
    count as one.
    """
    counts = np.bincount(bins)
    hits, counts = np.bincount(bins, weights=rows.right)[counts > 0], counts[counts > 0]
    share = (hits + 1) / (counts + 2)
    clips = int((rows.clips.per_cluster(np.ones(len(rows))) > 0).sum())
    found: Floats = counts * share * (1 - share) * len(rows) / clips
    return found


def widened(found: Estimates, reaches: Mapping[Key, Reach]) -> Estimates:
    """The same numbers with their intervals moved out by what chance may have added; ends stay within [-1, 1]."""
    return {
        key: _wider(value, *reaches.get(key, (0.0, 0.0)), key[0].endswith("_shift")) for key, value in found.items()
    }


def _wider(value: Estimate, down: float, up: float, signed: bool) -> Estimate:
    ends = value.limits
    if ends is None or not (down or up):
        return value
    least = -1.0 if signed else 0.0
    low, lower95 = (max(end - down, least) for end in (ends.low, ends.lower95))
    high, upper95 = (min(end + up, 1.0) for end in (ends.high, ends.upper95))
    return replace(value, limits=Limits(low, high, lower95, upper95))


def over_tasks(reaches: Sequence[Reaches]) -> Reaches:
    """The reach of the mean over tasks, for every number that all tasks have."""
    shared = set.intersection(*map(set, reaches)) if reaches else set()
    count = len(reaches)
    return {key: (sum(r[key][0] for r in reaches) / count, sum(r[key][1] for r in reaches) / count) for key in shared}
