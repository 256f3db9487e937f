"""Intervals of rates by clip: Wilson on the effective sample size, and their combination over tasks.

A *cluster* is a clip: its cases are not independent, so every variance here is a variance between clusters. All
functions take arrays of shape ``(..., G)``, G clusters last, and work on the leading axes at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

TWO_SIDED: Final = 0.975
"""Tail level of each end of a two-sided 95 % interval."""
ONE_SIDED: Final = 0.95
"""Tail level of a one-sided 95 % bound (gates with ``@95``)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Interval of a number: two-sided 95 % and the two one-sided 95 % bounds."""

    low: float
    high: float
    lower95: float
    upper95: float

    def above(self, zero: float) -> Limits:
        """The limits of ``(x - zero) / (1 - zero)``, zero below 1."""
        return Limits(*((end - zero) / (1 - zero) for end in (self.low, self.high, self.lower95, self.upper95)))

    def capped(self, top: float) -> Limits:
        """The limits of ``min(x, top)``."""
        return Limits(*(min(end, top) for end in (self.low, self.high, self.lower95, self.upper95)))

    def outer(self, other: Limits) -> Limits:
        """The wider of two intervals at each end."""
        return Limits(
            min(self.low, other.low),
            max(self.high, other.high),
            min(self.lower95, other.lower95),
            max(self.upper95, other.upper95),
        )


def wilson(rate: ArrayLike, size: ArrayLike, quantile: ArrayLike) -> tuple[Floats, Floats]:
    """Wilson's score interval of a proportion.

    Wilson, J. Am. Stat. Assoc. 22 (1927): ``(p + q^2/2n -+ q sqrt(p(1-p)/n + q^2/4n^2)) / (1 + q^2/n)``.

    Args:
        rate: observed proportion, in [0, 1].
        size: number of trials, or an effective number; not necessarily whole.
        quantile: normal or t quantile of the wanted tail level, e.g. 1.96.

    Returns:
        Lower and upper end, in [0, 1], of the broadcast shape.
    """
    p, n, q = (np.asarray(x, dtype=np.float64) for x in (rate, size, quantile))
    square = q * q / n
    centre = (p + square / 2) / (1 + square)
    half = np.sqrt(p * (1 - p) * square + square * square / 4) / (1 + square)
    # At 0 and 1 the formula returns the edge itself up to rounding; say it exactly.
    low = np.where(p <= 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(p >= 1, 1.0, np.minimum(centre + half, 1.0))
    return low, high


def effective_size(hits: ArrayLike, trials: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Rate, effective sample size and number of eligible clusters of a clustered proportion.

    The rate is the ratio of sums ``r = sum(a) / sum(b)``; its variance between clusters is that of the linearised
    ratio, ``V = G/(G-1) * sum((a_g - r b_g)^2) / sum(b)^2`` (Cochran, Sampling Techniques, 1977, ch. 6), and the
    effective size is ``r(1-r)/V`` (Kish, Survey Sampling, 1965; Korn and Graubard, Surv. Methodol. 24, 1998). At a
    rate of 0 or 1 the variance says nothing and the size is G.

    The size never exceeds the number of trials (clusters that happen to agree better than chance are no extra
    evidence), after dividing out a factor common to all counts, so that writing every row k times changes nothing.

    Args:
        hits: a_g, whole counts of hits by cluster, shape (..., G).
        trials: b_g, whole counts of trials by cluster, shape (..., G); a cluster with none is not eligible.

    Returns:
        Rate (NaN without trials), effective size and G, each of shape (...).
    """
    a = np.asarray(hits, dtype=np.float64)
    b = np.asarray(trials, dtype=np.float64)
    total = b.sum(-1)
    clusters = (b > 0).sum(-1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = a.sum(-1) / total
        spread = ((a - rate[..., None] * b) ** 2).sum(-1) / total**2
        variance = clusters / (clusters - 1) * spread
        size = rate * (1 - rate) / variance
    counts = np.concatenate([a, b], axis=-1).astype(np.int64)
    repeats = np.maximum(np.gcd.reduce(counts, axis=-1), 1)
    inside = (rate > 0) & (rate < 1)
    return rate, np.where(inside, np.fmin(size, total / repeats), clusters), clusters


def rate_ends(hits: ArrayLike, trials: ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Both ends of a clustered proportion's interval, each at tail level ``level``.

    Wilson on the effective sample size with Student's quantile of G-1 degrees (after Dean and Pagano, J. Surv. Stat.
    Methodol. 3, 2015). With fewer than two eligible clusters nothing is known: 0 and 1.

    Args:
        hits: whole counts by cluster, shape (..., G).
        trials: whole counts by cluster, shape (..., G).
        level: tail level of each end, e.g. `TWO_SIDED`.
    """
    rate, size, clusters = effective_size(hits, trials)
    known = clusters >= 2
    quantile = stdtrit(np.where(known, clusters - 1, 1.0), level)
    low, high = wilson(np.where(known, rate, 0.5), np.where(known, size, 1.0), quantile)
    return np.where(known, low, 0.0), np.where(known, high, 1.0)


def rate_limits(hits: ArrayLike, trials: ArrayLike) -> Limits:
    """Limits of one clustered proportion from counts by cluster, shape (G,)."""
    low, high = rate_ends(hits, trials, TWO_SIDED)
    lower95, upper95 = rate_ends(hits, trials, ONE_SIDED)
    return Limits(float(low), float(high), float(lower95), float(upper95))


def correlation(influence: Floats, share: Floats) -> Floats:
    """Correlation of K estimates that share clusters, never negative.

    Args:
        influence: what each cluster adds to the error of each estimate, shape (K, G).
        share: each cluster's weight in each estimate, shape (K, G); used where an estimate shows no variance (a rate
            of 0 or 1), so that estimates over the same clips then count as fully dependent.

    Returns:
        Shape (K, K), ones on the diagonal, entries in [0, 1]: a negative correlation would narrow an interval on the
        strength of an estimate, so it counts as none.
    """
    covariance, overlap = influence @ influence.T, share @ share.T
    scale, norm = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(overlap))
    flat = scale <= 1e-12
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = np.where(
            flat[:, None] | flat[None, :], overlap / np.outer(norm, norm), covariance / np.outer(scale, scale)
        )
    bounded: Floats = np.clip(np.nan_to_num(rho), 0.0, 1.0)
    np.fill_diagonal(bounded, 1.0)
    return bounded


def mean_limits(values: Floats, limits: list[Limits], rho: Floats) -> Limits:
    """Limits of the unweighted mean of K estimates from their own limits.

    The method of variance estimates recovery (MOVER; Zou and Donner, Stat. Med. 27, 2008; with correlation: Zou,
    Am. J. Epidemiol. 168, 2008): ``low = mean - sqrt(d' rho d) / K`` with ``d_k = value_k - low_k``, likewise above. It
    keeps each estimate's own asymmetry and stays honest when some estimates sit at 0 or 1. It never reaches beyond
    the mean of the ends.
    """

    def reach(ends: list[float]) -> float:
        distance = np.abs(values - np.array(ends))
        return float(np.sqrt(distance @ rho @ distance) / len(values))

    mean = float(values.mean())
    return Limits(
        low=mean - reach([x.low for x in limits]),
        high=mean + reach([x.high for x in limits]),
        lower95=mean - reach([x.lower95 for x in limits]),
        upper95=mean + reach([x.upper95 for x in limits]),
    )


def pooled_limits(value: float, influence: Floats, clusters: int, fewest: int) -> Limits:
    """Wilson limits of a mean of rates on its own effective size.

    The variance is taken over the clusters of all rates at once, so that a clip in several of them counts as one.

    Args:
        value: the mean of the rates.
        influence: what each cluster adds to its error, shape (G,).
        clusters: clusters that take part in any of the rates.
        fewest: clusters of the rate that has the fewest; its degrees of freedom are used.

    Returns:
        The point itself where the clusters show no variance (a mean of rates of 0 and 1 says nothing about its own).
    """
    squares = float((influence**2).sum())
    if clusters < 2 or fewest < 2 or squares <= 0 or not 0 < value < 1:
        return Limits(value, value, value, value)
    size = value * (1 - value) * (clusters - 1) / (clusters * squares)
    ends = [float(end) for level in (TWO_SIDED, ONE_SIDED) for end in wilson(value, size, stdtrit(fewest - 1, level))]
    return Limits(*ends)


def spread_limits(value: float, influence: Floats, clusters: int, rarer: int) -> Limits:
    """Wilson limits of a number in [0, 1] that is no rate, from what each cluster adds to its error.

    The effective size is value(1-value)/V, V the variance between clusters, at most their number; Student's quantile
    has the rarer side's clusters minus 1.

    Args:
        value: the number.
        influence: by cluster, sum 0.
        clusters: clusters that take part.
        rarer: those of the side that has fewest, such as the right or the wrong answers; the size at 0 and 1.
    """
    if rarer < 2:
        return Limits(0.0, 1.0, 0.0, 1.0)
    variance = clusters / (clusters - 1) * float((influence**2).sum())
    inside = 0 < value < 1
    size = min(value * (1 - value) / variance, clusters) if inside and variance > 0 else (clusters if inside else rarer)
    ends = [float(end) for level in (TWO_SIDED, ONE_SIDED) for end in wilson(value, size, stdtrit(rarer - 1, level))]
    return Limits(*ends)
