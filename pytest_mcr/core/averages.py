"""Means of unbounded numbers and weighted shares over clips, with intervals by cluster."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import stdtrit

from pytest_mcr.core.clusters import Clustered, Floats, Mask
from pytest_mcr.core.estimates import Estimate, undefined
from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED, Limits, wilson

ONE_CLIP: Final = "an interval needs two clips"
_ROUNDING: Final = 1e-12


def student_limits(value: float, influence: Floats, clusters: int) -> Limits:
    """Student's limits of an estimate from what each cluster adds to its error.

    The standard error is ``sqrt(G/(G-1) * sum(influence^2))``, the quantile Student's with G-1 degrees (Cameron and
    Miller, J. Hum. Resour. 50, 2015). Where all clusters agree the interval is the point.

    Args:
        value: the estimate.
        influence: by cluster, sum 0.
        clusters: G, the clusters that take part; at least 2.
    """
    error = float(np.sqrt(clusters / (clusters - 1) * (influence**2).sum()))
    two, one = (float(stdtrit(clusters - 1, level)) * error for level in (TWO_SIDED, ONE_SIDED))
    return Limits(value - two, value + two, value - one, value + one)


def settled(influence: Floats, scale: float) -> Floats:
    """The influence with its rounding errors removed, so that clusters that agree show no variance at all."""
    return np.where(np.abs(influence) <= _ROUNDING * scale, 0.0, influence)


def mean_value(clips: Clustered, values: Floats, counted: Mask, *, empty: str) -> Estimate:
    """Mean of an unbounded number over the counted rows, with Student's interval over clusters.

    Margins in nats have no bounds, so neither Wilson's nor the betting interval applies. The mean is a ratio of sums
    (a cluster may hold several rows) and its variance that of the linearised ratio, as for rates.

    Args:
        clips: the rows' clusters.
        values: by row; ignored where not counted.
        counted: the rows that take part.
        empty: reason given when there are none.
    """
    sums, rows = clips.per_cluster(np.where(counted, values, 0.0)), clips.per_cluster(counted)
    n, clusters = int(counted.sum()), int((rows > 0).sum())
    if not n:
        return undefined(clips, empty)
    if clusters < 2:
        return undefined(clips, ONE_CLIP, n)
    value = float(sums.sum() / n)
    influence = settled((sums - value * rows) / n, float(np.abs(values[counted]).max()))
    return Estimate(value, student_limits(value, influence, clusters), n, clusters, influence, rows / n)


def weighted_share(clips: Clustered, part: Floats, whole: Floats, counted: Mask, *, empty: str) -> Estimate:
    """``sum(part) / sum(whole)`` with ``0 <= part <= whole``, with Wilson's interval on the effective size.

    A proportion in which a row weighs ``whole``. The variance is that of the linearised ratio between clusters, V, and
    the effective size r(1-r)/V, as for rates, at most Kish's number of equally weighted clusters
    ``sum(whole_g)^2 / sum(whole_g^2)`` (Survey Sampling, 1965), which is also the size where V says nothing. Student's
    quantile has that number minus 1 degrees. Weights from scores have no bounds, so the betting interval does not
    apply, and Fieller's is a point when all clips agree, near 0 above all; this one is never narrower than that of as
    many clips which each are all or nothing, hence too wide where the clips' own shares are alike.

    Args:
        clips: the rows' clusters.
        part: by row.
        whole: by row.
        counted: the rows that take part.
        empty: reason given when the whole is 0.
    """
    a, b = (clips.per_cluster(np.where(counted, x, 0.0)) for x in (part, whole))
    total = float(b.sum())
    if total <= 0:
        return undefined(clips, empty, int(counted.sum()))
    value = min(float(a.sum()) / total, 1.0)
    influence = settled((a - value * b) / total, 1.0)
    kish, clusters = float((b / total) @ (b / total)) ** -1, int((b > 0).sum())
    return Estimate(
        value=value,
        limits=_share_limits(value, influence, kish, clusters),
        n=int((counted & (whole > 0)).sum()),
        clusters=clusters,
        influence=influence,
        share=b / total,
        is_rate=True,
    )


def _share_limits(value: float, influence: Floats, kish: float, clusters: int) -> Limits:
    if clusters < 2:
        return Limits(0.0, 1.0, 0.0, 1.0)
    variance = clusters / (clusters - 1) * float((influence**2).sum())
    size = min(value * (1 - value) / variance, kish) if variance > 0 and 0 < value < 1 else kish
    degrees = max(kish - 1, 1.0)
    ends = [float(end) for level in (TWO_SIDED, ONE_SIDED) for end in wilson(value, size, stdtrit(degrees, level))]
    return Limits(*ends)
